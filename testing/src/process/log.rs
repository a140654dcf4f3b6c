//! The standard error of the program, read by a thread of its own.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    thread,
};
use tokio::sync::watch;

/// Lines that are kept for tests that read them, and for the report of a failed test.
const KEPT: usize = 10_000;

/// The last lines of the log.
#[derive(Clone)]
pub struct Log(watch::Receiver<Lines>);

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    /// The number of earlier lines, which are not kept any more.
    dropped: usize,
}

/// The addresses that the program logs.
#[derive(Default)]
pub struct Addresses {
    /// Addresses for clients; the line with them is the last.
    pub listeners: Vec<SocketAddr>,
    /// The address for operators; `None` until it was read.
    pub admin: Option<SocketAddr>,
}

impl Log {
    /// Reads in the background until the program ends, or only until it listens.
    pub fn read(stderr: File, until_it_ends: bool) -> Self {
        let (lines, log) = watch::channel(Lines::default());
        thread::spawn(move || {
            let mut addresses = Addresses::default();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                addresses.read(&line);
                lines.send_modify(|lines| lines.add(line));
                if !until_it_ends && !addresses.listeners.is_empty() {
                    return;
                }
            }
        });
        Self(log)
    }

    /// The number of kept lines that contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.0.borrow().kept.iter().filter(|line| line.contains(text)).count()
    }

    /// Returns the kept lines as one text.
    pub fn text(&self) -> String {
        self.0.borrow().kept.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The line with this number, counted from 0, if it was written.
    ///
    /// # Panics
    /// If it is not kept any more.
    pub fn line(&self, number: usize) -> Option<String> {
        self.0.borrow().at(number).cloned()
    }

    /// Waits for the line with this number; `None` if the log ends before it.
    ///
    /// # Panics
    /// If the line is not kept any more.
    pub async fn wait_for_line(&self, number: usize) -> Option<String> {
        let mut lines = self.0.clone();
        let lines = lines.wait_for(|lines| lines.at(number).is_some()).await.ok()?;
        lines.at(number).cloned()
    }

    /// True if no further line is read.
    pub fn has_ended(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Lines {
    fn add(&mut self, line: String) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(line);
    }

    fn at(&self, number: usize) -> Option<&String> {
        let at = number.checked_sub(self.dropped).expect("a test reads each line before 10,000 others");
        self.kept.get(at)
    }
}

impl Addresses {
    /// `page at http://A/ · WebSocket at ws://B/websocket`, `admin at http://C/metrics`
    pub fn read(&mut self, line: &str) {
        if line.contains("WebSocket at ") {
            self.listeners = ["http://", "ws://"].iter().filter_map(|scheme| address(line, scheme)).collect();
        } else if line.contains("admin at ") {
            self.admin = address(line, "http://");
        }
    }
}

fn address(line: &str, scheme: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(scheme)?;
    rest.split('/').next()?.parse().ok()
}
