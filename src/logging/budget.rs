//! Bounds the lines per second that clients may cause, so that they neither fill the disk nor hide
//! what operators need.
//!
//! Beyond the bound a line is counted and left out, and the log says how many were. Key:
//! `log.lines_per_second`. Metric: `worldcast_log_lines_suppressed_total`.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

/// The beginning of the time that budgets are counted in.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The period of a budget, in milliseconds.
const PERIOD_MS: u64 = 1000;

/// The lines of the present second; each second has as many, and none are saved up.
pub struct Budget {
    per_second: AtomicI64,
    left: AtomicI64,
    /// The time of the last refill, in milliseconds.
    refilled_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl Budget {
    /// Creates a budget without a limit.
    pub const fn new() -> Self {
        Self {
            per_second: AtomicI64::new(0),
            left: AtomicI64::new(0),
            refilled_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Limits the lines of a second; 0 is no limit.
    pub fn limit(&self, per_second: u32) {
        self.per_second.store(per_second.into(), Ordering::Relaxed);
        self.left.store(per_second.into(), Ordering::Relaxed);
    }

    /// Takes a line from the budget, and counts the line as suppressed if nothing is left.
    pub fn take(&self) -> bool {
        self.take_at(|| BEGIN.elapsed().as_millis() as u64)
    }

    fn take_at(&self, now_ms: impl FnOnce() -> u64) -> bool {
        if self.per_second.load(Ordering::Relaxed) == 0 {
            return true;
        }
        self.refill_if_due(now_ms());
        let passes = self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) > 0;
        if !passes {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// Refills the budget once in each period; of several threads one does.
    fn refill_if_due(&self, now_ms: u64) {
        let refilled = self.refilled_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(refilled) >= PERIOD_MS;
        let (order, set) = (Ordering::Relaxed, &self.refilled_ms);
        if is_due && set.compare_exchange(refilled, now_ms, order, order).is_ok() {
            self.left.store(self.per_second.load(order), order);
        }
    }

    /// Returns the lines that were left out since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_as_many_lines_and_none_are_saved_up() {
        let budget = Budget::new();
        budget.limit(3);
        let passing = |now, lines| (0..lines).filter(|_| budget.take_at(|| now)).count();
        assert_eq!((passing(100, 10), passing(999, 10)), (3, 0));
        assert_eq!((passing(1100, 2), passing(2099, 10)), (2, 1));
        assert_eq!(passing(60_000, 10), 3);
        assert_eq!(budget.suppressed(), 7 + 10 + 9 + 7);
    }

    #[test]
    fn without_a_limit_every_line_passes() {
        let budget = Budget::new();
        assert!((0..10_000).all(|_| budget.take()));
        assert_eq!(budget.suppressed(), 0);
    }
}
