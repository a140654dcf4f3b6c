//! Suppresses repeated warnings and errors: each call site writes one line per minute.
//!
//! For example, each listener fails to accept ten times per second while no descriptor is left.

use super::TARGET;
use log::{Level, Log, Metadata, Record};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The shortest time between two lines of one call site.
const PAUSE: Duration = Duration::from_secs(60);

/// A logger that passes lines to `log`, without the repeated ones.
pub struct Throttle<L> {
    log: L,
    last_written: Mutex<LastWritten>,
}

/// The time of the last line of each call site. There are no more entries than such call sites in
/// the code.
#[derive(Default)]
struct LastWritten(HashMap<CallSite, Instant>);

/// The target and the line in the source file.
type CallSite = (String, Option<u32>);

impl<L> Throttle<L> {
    /// Puts the throttle in front of `log`.
    pub fn new(log: L) -> Self {
        Self { log, last_written: Mutex::default() }
    }

    fn lets_pass(&self, record: &Record<'_>) -> bool {
        let may_repeat = record.level() <= Level::Warn && record.target() != TARGET;
        !may_repeat
            || self.last_written().lets_pass((record.target().to_owned(), record.line()), Instant::now())
    }

    fn last_written(&self) -> MutexGuard<'_, LastWritten> {
        self.last_written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Log> Log for Throttle<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.log.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.log.enabled(record.metadata()) && self.lets_pass(record) {
            self.log.log(record);
        }
    }

    fn flush(&self) {
        self.log.flush();
    }
}

impl LastWritten {
    fn lets_pass(&mut self, call_site: CallSite, now: Instant) -> bool {
        let last = self.0.get(&call_site);
        let passes = last.is_none_or(|last| now.saturating_duration_since(*last) >= PAUSE);
        if passes {
            self.0.insert(call_site, now);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::REPEATING;

    #[test]
    fn a_call_site_writes_one_line_per_minute() {
        let mut last_written = LastWritten::default();
        let start = Instant::now();
        let mut passes = |line, seconds| {
            last_written.lets_pass(("actix_http".into(), Some(line)), start + Duration::from_secs(seconds))
        };
        assert!(passes(7, 0));
        assert!(!passes(7, 59));
        assert!(passes(8, 59), "another call site");
        assert!(passes(7, 60));
        assert!(!passes(7, 119));
    }

    #[test]
    fn lines_of_the_program_and_lines_below_warn_always_pass() {
        let throttle = Throttle::new(env_logger::Logger::from_env("NO_VARIABLE"));
        let passes = |target, level| {
            let record = Record::builder().target(target).level(level).line(Some(7)).build();
            throttle.lets_pass(&record)
        };
        for _ in 0..2 {
            assert!(passes(TARGET, Level::Error));
            assert!(passes("actix_http", Level::Info));
        }
        for target in ["actix_http", REPEATING] {
            assert!(passes(target, Level::Error));
            assert!(!passes(target, Level::Error));
        }
    }
}
