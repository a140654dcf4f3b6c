//! The thread that writes the log, so that a reader who stalls stops nobody but the log.

use super::{CLIENT_LINES, budget::Budget};
use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Lines that may wait to be written; what comes on top is dropped, counted, and said.
const MAX_LINES: usize = 4096;

/// How long the budget for what clients cause lasts.
const BUDGET_PERIOD: Duration = Duration::from_secs(1);

/// How long the end of the process waits for the log.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Line {
    Text(Vec<u8>),
    /// Everything before is written: tell so.
    Finish(SyncSender<()>),
}

/// Takes lines without ever waiting.
pub struct Writer(SyncSender<Line>);

impl Writer {
    /// Starts the thread.
    pub fn start() -> Self {
        let (lines, waiting) = sync_channel(MAX_LINES);
        let _ = LINES.set(lines.clone());
        thread::spawn(move || write_all(&waiting, io::stderr(), &CLIENT_LINES));
        Self(lines)
    }
}

impl Write for Writer {
    /// Takes a whole line at once, as env_logger writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Line::Text(line.to_vec())).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that were dropped since the start because nobody read the log in time.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits, a second at most, until what was logged is written.
pub fn finish() {
    let (done, written) = sync_channel(1);
    if LINES.get().is_some_and(|lines| lines.try_send(Line::Finish(done)).is_ok()) {
        let _ = written.recv_timeout(FINISH_WITHIN);
    }
}

/// A log that cannot be written has nobody who could be told.
fn write_all(waiting: &Receiver<Line>, mut log: impl Write, budget: &Budget) {
    let (mut told_dropped, mut told_suppressed) = (0, 0);
    let mut period_ends = None;
    loop {
        let line = match period_ends {
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(end) => waiting.recv_timeout(end - Instant::now().min(end)),
        };
        let is_over = matches!(line, Ok(Line::Finish(_)) | Err(RecvTimeoutError::Disconnected));
        if let Ok(Line::Text(text)) = &line {
            let _ = log.write_all(text);
        }
        tell(&mut log, dropped(), &mut told_dropped, "were dropped here: nobody read them in time");
        if is_over || period_ends.is_some_and(|end| Instant::now() >= end) {
            let why = "about clients were left out here (log.lines_per_second)";
            tell(&mut log, budget.suppressed(), &mut told_suppressed, why);
            period_ends = None; // without clients, nobody has to wake up for them
        }
        match line {
            Ok(Line::Finish(done)) => drop(done.send(())),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Line::Text(_)) | Err(RecvTimeoutError::Timeout) => {}
        }
        if period_ends.is_none() && budget.refill() {
            period_ends = Some(Instant::now() + BUDGET_PERIOD);
        }
    }
}

/// Says how many lines are not there of which nobody was told.
fn tell(log: &mut impl Write, all: u64, told: &mut u64, why: &str) {
    let news = all - std::mem::replace(told, all);
    if news > 0 {
        let _ = writeln!(log, "{news} log lines {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose reader looks away until the writer has dropped something.
    struct Stalled(Vec<u8>);

    impl Write for Stalled {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            while dropped() == 0 {
                thread::yield_now();
            }
            self.0.extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_nothing_else() {
        let (lines, waiting) = sync_channel(2);
        let mut writer = Writer(lines);
        let reader = thread::spawn(move || {
            let mut log = Stalled(Vec::new());
            write_all(&waiting, &mut log, &Budget::new());
            String::from_utf8(log.0).unwrap()
        });
        for _ in 0..10 {
            writer.write_all(b"line\n").unwrap(); // nobody reads, and nothing waits
        }
        drop(writer);

        let dropped = dropped();
        assert!((7..=8).contains(&dropped), "two wait, one may be in the reader's hand: {dropped}");
        let log = reader.join().unwrap();
        assert!(log.contains(&format!("{dropped} log lines were dropped here")), "{log}");
        assert_eq!(log.matches("line\n").count() as u64, 10 - dropped);
    }
}
