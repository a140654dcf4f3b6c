//! The standard error of the program, read by a thread of its own.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

/// Lines that are kept for the report of a failed test.
const KEPT: usize = 1000;

/// The last lines of the log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

/// The addresses that the program logs.
#[derive(Default)]
pub struct Addresses {
    /// Addresses for clients.
    pub listeners: Vec<SocketAddr>,
    /// The address for operators; `None` until it was read.
    pub admin: Option<SocketAddr>,
}

impl Log {
    /// Reads until the program has logged its addresses.
    pub fn addresses(&self, reader: &mut BufReader<File>) -> Addresses {
        let mut addresses = Addresses::default();
        let mut line = String::new();
        while addresses.listeners.is_empty() || addresses.admin.is_none() {
            line.clear();
            let read = reader.read_line(&mut line).expect("a log in UTF-8");
            assert!(read > 0, "the program ended instead of listening:\n{}", self.text());
            addresses.read(&line);
            self.add(line.trim_end());
        }
        addresses
    }

    /// Reads on in the background until the program ends.
    pub fn follow(&self, reader: BufReader<File>) {
        let log = self.clone();
        thread::spawn(move || reader.lines().map_while(Result::ok).for_each(|line| log.add(&line)));
    }

    /// The number of kept lines that contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Returns the kept lines as one text.
    pub fn text(&self) -> String {
        self.lines().iter().map(|line| format!("{line}\n")).collect()
    }

    fn add(&self, line: &str) {
        let mut lines = self.lines();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.0.lock().expect("no thread panicked over a line")
    }
}

impl Addresses {
    /// `page at http://A/ · WebSocket at ws://B/websocket`, `admin at http://C/metrics`
    fn read(&mut self, line: &str) {
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
