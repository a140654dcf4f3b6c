//! How many lines clients may cause in a second: what they do must not fill the disk, nor hide what operators need.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

/// The beginning of the time that budgets are counted in.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long a budget lasts, in milliseconds.
const PERIOD_MS: u64 = 1000;

/// Lines that clients may still cause before [`Budget::refill`], and how many were too many.
pub struct Budget {
    per_second: AtomicI64,
    left: AtomicI64,
    /// The time of the last refill, in milliseconds.
    refilled_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl Budget {
    /// Without a limit, until there is one.
    pub const fn new() -> Self {
        Self {
            per_second: AtomicI64::new(0),
            left: AtomicI64::new(0),
            refilled_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// 0 is no limit.
    pub fn limit(&self, per_second: u32) {
        self.per_second.store(per_second.into(), Ordering::Relaxed);
        self.left.store(per_second.into(), Ordering::Relaxed);
    }

    /// Takes a line from the budget; counts it where nothing is left. Cheap, since it is asked before a line is made.
    pub fn take(&self) -> bool {
        self.take_at(now_ms)
    }

    /// The same at the time that `now_ms` reads. The lines of a budget that is used up may all have been filtered out
    /// (`RUST_LOG`), and then the writer, which refills it, has not heard of them.
    fn take_at(&self, now_ms: impl FnOnce() -> u64) -> bool {
        if self.per_second.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let takes = || self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) > 0;
        let passes = takes() || self.refill_if_due(now_ms()) && takes();
        if !passes {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// A second is over; says whether anything was taken in it.
    pub fn refill(&self) -> bool {
        self.refill_at(now_ms())
    }

    fn refill_at(&self, now_ms: u64) -> bool {
        self.refilled_ms.store(now_ms, Ordering::Relaxed);
        let per_second = self.per_second.load(Ordering::Relaxed);
        self.left.swap(per_second, Ordering::Relaxed) < per_second
    }

    /// Refills the budget if it was not for a period; says whether it did. Of several threads one does.
    fn refill_if_due(&self, now_ms: u64) -> bool {
        let refilled = self.refilled_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(refilled) >= PERIOD_MS;
        let set = || {
            self.refilled_ms.compare_exchange(refilled, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        is_due && set() && self.refill_at(now_ms)
    }

    /// Lines that were left out since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

fn now_ms() -> u64 {
    BEGIN.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_later_lines_pass_again_even_if_no_line_was_written_meanwhile() {
        let budget = Budget::new();
        budget.limit(3);
        budget.refill_at(100);
        let passing = |now| (0..10).filter(|_| budget.take_at(|| now)).count();
        assert_eq!((passing(100), passing(1099)), (3, 0));
        assert_eq!((passing(1100), passing(2099)), (3, 0));
        assert_eq!(passing(60_000), 3, "nothing is saved up");
        assert_eq!(budget.suppressed(), 41);
    }

    #[test]
    fn what_is_too_much_for_a_second_is_counted_and_the_next_begins_anew() {
        let budget = Budget::new();
        budget.limit(3);
        assert_eq!((0..10).filter(|_| budget.take()).count(), 3);
        assert_eq!(budget.suppressed(), 7);
        assert!(budget.refill());
        assert_eq!((0..2).filter(|_| budget.take()).count(), 2);
        assert!(budget.refill());
        assert!(!budget.refill(), "nobody took anything");
        assert_eq!((0..10).filter(|_| budget.take()).count(), 3, "nothing is saved up");
    }

    #[test]
    fn without_a_limit_every_line_passes() {
        let budget = Budget::new();
        assert!((0..10_000).all(|_| budget.take()));
        assert_eq!(budget.suppressed(), 0);
        assert!(!budget.refill());
    }
}
