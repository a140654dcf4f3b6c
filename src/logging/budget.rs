//! Bounds the lines per second that clients may cause, so that they neither fill the disk nor hide
//! what operators need.
//!
//! Beyond the bound a line is counted and left out, and the log says how many were. Key:
//! `log.lines_per_second`. Metric: `worldcast_log_lines_suppressed_total`.

use crate::ids::network_of;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

/// The beginning of the time that budgets are counted in.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Assigns clients to shares, in a way that no client can predict.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The period of a budget, in milliseconds.
const PERIOD_MS: u64 = 1000;

/// Shares of a period. Clients that have the same one in this second have others in the next.
const SHARES: usize = 1024;

/// The reciprocal of the part of a budget that is kept for clients with few lines.
const KEPT: i64 = 4;

/// In that part a client leaves so many times its own lines for others.
const LEFT_FREE: i64 = 3;

/// The lines of the present second; each second has as many, and none are saved up.
///
/// Three quarters of them are for any client. Of the last quarter each address has one line, and
/// then a third of what it leaves for others, so that a client who floods the log hides no other.
pub struct Budget {
    /// Lines of each second; 0 is no limit.
    per_second: AtomicI64,
    /// Lines that are left of the present second.
    left: AtomicI64,
    /// The time of the last refill, in milliseconds.
    refilled_ms: AtomicU64,
    /// Lines that were left out since the start.
    suppressed: AtomicU64,
    shares: [Share; SHARES],
}

/// The lines of some clients in the last quarter of a period: the low 32 bits of the period's
/// beginning, and their number. Two threads that count at once may lose a line.
struct Share(AtomicU64);

impl Budget {
    /// Creates a budget without a limit.
    pub const fn new() -> Self {
        Self {
            per_second: AtomicI64::new(0),
            left: AtomicI64::new(0),
            refilled_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            shares: [const { Share(AtomicU64::new(0)) }; SHARES],
        }
    }

    /// Limits the lines of a second; 0 is no limit.
    pub fn limit(&self, per_second: u32) {
        self.per_second.store(per_second.into(), Ordering::Relaxed);
        self.left.store(per_second.into(), Ordering::Relaxed);
    }

    /// Takes a line for `client` from the budget, and counts the line as suppressed if nothing is
    /// left for it. Clients without an address are one.
    pub fn take(&self, client: Option<IpAddr>) -> bool {
        self.take_at(client, || BEGIN.elapsed().as_millis() as u64)
    }

    fn take_at(&self, client: Option<IpAddr>, now_ms: impl FnOnce() -> u64) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return true;
        }
        self.refill_if_due(now_ms());
        let left = self.left.load(Ordering::Relaxed);
        let passes = left > 0
            && (left > per_second / KEPT || self.share(client).take(self.period(), left))
            && self.left.fetch_sub(1, Ordering::Relaxed) > 0;
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

    /// Returns the low bits of the time at which this period began.
    fn period(&self) -> u32 {
        self.refilled_ms.load(Ordering::Relaxed) as u32
    }

    fn share(&self, client: Option<IpAddr>) -> &Share {
        let hash = HASHER.hash_one((client.map(network_of), self.period()));
        &self.shares[hash as usize % SHARES]
    }

    /// Returns the lines that were left out since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Takes a line of the `left` ones of this period: the first, and further ones up to a third of
    /// what remains.
    fn take(&self, period: u32, left: i64) -> bool {
        let share = self.0.load(Ordering::Relaxed);
        let lines = if (share >> 32) as u32 == period { i64::from(share as u32) } else { 0 };
        let passes = lines == 0 || (lines + 1) * LEFT_FREE < left;
        if passes {
            self.0.store(u64::from(period) << 32 | (lines + 1) as u64, Ordering::Relaxed);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_as_many_lines_and_none_are_saved_up() {
        let budget = Budget::new();
        budget.limit(3);
        let passing = |now, lines| (0..lines).filter(|_| budget.take_at(None, || now)).count();
        assert_eq!((passing(100, 10), passing(999, 10)), (3, 0));
        assert_eq!((passing(1100, 2), passing(2099, 10)), (2, 1));
        assert_eq!(passing(60_000, 10), 3);
        assert_eq!(budget.suppressed(), 7 + 10 + 9 + 7);
    }

    #[test]
    fn a_client_that_floods_the_log_leaves_lines_for_others() {
        let budget = Budget::new();
        budget.limit(100);
        let lines =
            |last, now| (0..1000).filter(|_| budget.take_at(Some([10, 0, 0, last].into()), || now)).count();
        for now in [1000, 2000] {
            let flood = lines(1, now);
            assert!((75..=85).contains(&flood), "{flood}");
            let others: Vec<_> = (2..=6).map(|last| lines(last, now)).collect();
            assert!(others.iter().filter(|lines| **lines > 0).count() >= 4, "{others:?}"); // two may share
            assert!(flood + others.iter().sum::<usize>() <= 100);
        }
    }

    #[test]
    fn without_a_limit_every_line_passes() {
        let budget = Budget::new();
        assert!((0..10_000).all(|_| budget.take(None)));
        assert_eq!(budget.suppressed(), 0);
    }
}
