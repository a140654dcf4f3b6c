//! The thread that writes the log, so that a reader who stalls stops nobody but the log.

use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// Lines that may wait to be written; what comes on top is dropped, counted, and said.
const MAX_LINES: usize = 4096;

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
        thread::spawn(move || write_all(&waiting, io::stderr()));
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
fn write_all(waiting: &Receiver<Line>, mut log: impl Write) {
    let mut said = 0;
    for line in waiting {
        match line {
            Line::Text(text) => {
                let _ = log.write_all(&text);
            }
            Line::Finish(done) => {
                let _ = done.send(());
            }
        }
        let dropped = dropped();
        if dropped > said {
            let _ = writeln!(log, "{} log lines were dropped here: nobody read them in time", dropped - said);
            said = dropped;
        }
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
            write_all(&waiting, &mut log);
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
