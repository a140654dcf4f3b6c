//! The thread that writes the log, so that a stalled reader of standard error blocks nothing else.

use super::{CLIENT_LINES, TARGET, budget::Budget};
use log::{Level, Log, Record};
use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Lines that may wait to be written, inclusive. Further lines are dropped, and the log reports
/// their number.
const MAX_LINES: usize = 4096;

/// The time from a line until missing lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The longest time that the end of the process waits for the log.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Line {
    Text(Vec<u8>),
    /// A request to confirm that all earlier lines are written.
    Finish(SyncSender<()>),
}

/// The queue to the thread; it never blocks.
pub struct Writer(SyncSender<Line>);

impl Writer {
    /// Starts the thread that writes to standard error, with a line of `gaps` where lines are
    /// missing.
    pub fn start(gaps: GapReport) -> Self {
        let (lines, waiting) = sync_channel(MAX_LINES);
        let _ = LINES.set(lines.clone());
        thread::spawn(move || write_all(&waiting, io::stderr(), &gaps, &CLIENT_LINES));
        Self(lines)
    }
}

impl Write for Writer {
    /// Queues a whole line, as env_logger writes it; drops and counts it if the queue is full.
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

/// Returns the number of lines that were dropped since the start because the log was not read in
/// time.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits until all logged lines are written, but no longer than a second.
pub fn finish() {
    let (done, written) = sync_channel(1);
    if LINES.get().is_some_and(|lines| lines.try_send(Line::Finish(done)).is_ok()) {
        let _ = written.recv_timeout(FINISH_WITHIN);
    }
}

/// Formats the lines about missing lines as all others, with a time and a level. The logger itself
/// would queue them, behind later lines.
pub struct GapReport {
    logger: env_logger::Logger,
    line: Buffer,
}

/// The line that was formatted last.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl GapReport {
    /// Creates reports in the format of the logger that `build` returns for a pipe.
    pub fn new(build: impl FnOnce(Box<dyn Write + Send>) -> env_logger::Logger) -> Self {
        let line = Buffer::default();
        Self { logger: build(Box::new(line.clone())), line }
    }

    /// Returns a line of level warn; empty if the log leaves out that level.
    fn format(&self, text: fmt::Arguments<'_>) -> Vec<u8> {
        self.logger.log(&Record::builder().target(TARGET).level(Level::Warn).args(text).build());
        mem::take(&mut *self.line.lock())
    }
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Buffer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines to `log` until every [`Writer`] is dropped. Errors are ignored: there is no other
/// place to report them.
fn write_all(waiting: &Receiver<Line>, mut log: impl Write, gaps: &GapReport, budget: &Budget) {
    let (mut reported_dropped, mut reported_suppressed) = (0, 0);
    let (mut period_ends, mut has_written) = (None, false);
    loop {
        let line = match period_ends {
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(end) => waiting.recv_timeout(end - Instant::now().min(end)),
        };
        let is_over = matches!(line, Ok(Line::Finish(_)) | Err(RecvTimeoutError::Disconnected));
        if let Ok(Line::Text(text)) = &line {
            let _ = log.write_all(text);
        }
        let why = "were dropped here: the log was not read in time";
        report(&mut log, gaps, dropped(), &mut reported_dropped, why);
        if is_over || period_ends.is_some_and(|end| Instant::now() >= end) {
            let why = "about clients were left out here (log.lines_per_second)";
            report(&mut log, gaps, budget.suppressed(), &mut reported_suppressed, why);
            // A line may be left out up to a second after the last one that was written. An idle
            // log wakes no thread.
            period_ends = mem::take(&mut has_written).then(|| Instant::now() + REPORT_INTERVAL);
        }
        match line {
            Ok(Line::Finish(done)) => drop(done.send(())),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Line::Text(_)) => {
                has_written = true;
                period_ends = period_ends.or(Some(Instant::now() + REPORT_INTERVAL));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Writes how many of `all` missing lines were not `reported` yet.
fn report(log: &mut impl Write, gaps: &GapReport, all: u64, reported: &mut u64, why: &str) {
    let new = all - mem::replace(reported, all);
    if new > 0 {
        let _ = log.write_all(&gaps.format(format_args!("{new} log lines {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogSettings;

    /// A log whose reader stalls until a line was dropped.
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

    fn gaps() -> GapReport {
        GapReport::new(|pipe| crate::logging::build(&LogSettings::default(), pipe))
    }

    #[test]
    fn a_line_about_missing_lines_has_a_time_and_a_level_as_every_other() {
        let line = String::from_utf8(gaps().format(format_args!("7 log lines {}", "are missing"))).unwrap();
        let (time, rest) = line.strip_prefix('[').unwrap().split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
        assert_eq!(rest, "WARN  worldcast] 7 log lines are missing\n");
    }

    #[test]
    fn a_stalled_reader_loses_lines_and_blocks_nothing() {
        let (lines, waiting) = sync_channel(2);
        let mut writer = Writer(lines);
        let reader = thread::spawn(move || {
            let mut log = Stalled(Vec::new());
            write_all(&waiting, &mut log, &gaps(), &Budget::new());
            String::from_utf8(log.0).unwrap()
        });
        for _ in 0..10 {
            writer.write_all(b"line\n").unwrap(); // it does not block although the log is stalled
        }
        drop(writer);

        let dropped = dropped();
        assert!((7..=8).contains(&dropped), "two are queued, one may be in the writing thread: {dropped}");
        let log = reader.join().unwrap();
        assert!(log.contains(&format!("{dropped} log lines were dropped here")), "{log}");
        assert_eq!(log.matches("line\n").count() as u64, 10 - dropped);
    }
}
