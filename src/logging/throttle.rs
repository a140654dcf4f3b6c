//! What is said again and again: the same complaint is written once a minute.
//!
//! Without a descriptor left, each listener has one ten times a second.

use super::TARGET;
use log::{Level, Log, Metadata, Record};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a complaint silences the same one.
const PAUSE: Duration = Duration::from_secs(60);

/// A log in front of `log`.
pub struct Throttle<L> {
    log: L,
    last_written: Mutex<LastWritten>,
}

/// When each place in the code complained last; there are as many as it has such lines.
#[derive(Default)]
struct LastWritten(HashMap<CallSite, Instant>);

type CallSite = (String, Option<u32>);

impl<L> Throttle<L> {
    pub fn new(log: L) -> Self {
        Self { log, last_written: Mutex::default() }
    }

    fn lets_pass(&self, record: &Record<'_>) -> bool {
        let is_complaint = record.level() <= Level::Warn && record.target() != TARGET;
        !is_complaint
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
    fn the_same_complaint_is_written_once_a_minute() {
        let mut last_written = LastWritten::default();
        let start = Instant::now();
        let mut passes = |line, seconds| {
            last_written.lets_pass(("actix_http".into(), Some(line)), start + Duration::from_secs(seconds))
        };
        assert!(passes(7, 0));
        assert!(!passes(7, 59));
        assert!(passes(8, 59), "another complaint");
        assert!(passes(7, 60));
        assert!(!passes(7, 119));
    }

    #[test]
    fn our_other_lines_and_what_is_no_complaint_always_pass() {
        let throttle = Throttle::new(env_logger::Logger::from_env("NO_VARIABLE"));
        let passes = |target, level| {
            let record = Record::builder().target(target).level(level).line(Some(7)).build();
            throttle.lets_pass(&record)
        };
        for _ in 0..2 {
            assert!(passes(TARGET, Level::Error));
            assert!(passes("actix_http", Level::Info));
        }
        for complains in ["actix_http", REPEATING] {
            assert!(passes(complains, Level::Error));
            assert!(!passes(complains, Level::Error));
        }
    }
}
