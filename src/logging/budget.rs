//! How many lines clients may cause in a second: what they do must not fill the disk, nor hide what operators need.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Lines that clients may still cause before [`Budget::refill`], and how many were too many.
pub struct Budget {
    per_second: AtomicI64,
    left: AtomicI64,
    suppressed: AtomicU64,
}

impl Budget {
    /// Without a limit, until there is one.
    pub const fn new() -> Self {
        Self { per_second: AtomicI64::new(0), left: AtomicI64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// 0 is no limit.
    pub fn limit(&self, per_second: u32) {
        self.per_second.store(per_second.into(), Ordering::Relaxed);
        self.left.store(per_second.into(), Ordering::Relaxed);
    }

    /// Takes a line from the budget; counts it where nothing is left. Cheap, since it is asked before a line is made.
    pub fn take(&self) -> bool {
        if self.per_second.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let passes = self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) > 0;
        if !passes {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// A second is over; says whether anything was taken in it.
    pub fn refill(&self) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        self.left.swap(per_second, Ordering::Relaxed) < per_second
    }

    /// Lines that were left out since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
