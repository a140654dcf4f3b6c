//! Bounds the bytes and messages that wait in outboxes.
//!
//! At the bound of one outbox its connection is closed with 1013 `too_slow`. At the bound of all
//! outboxes together, that happens to a connection that needs more and holds more than its fair
//! share. Keys: `session.outbox_bytes`, `session.outbox_messages` and `limits.outbox_bytes_total`.
//! Metrics: `worldcast_outbox_bytes` and `worldcast_closes_total{reason="too_slow"}`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes that wait in all outboxes. These counts decide; `worldcast_outbox_bytes` is set from
/// them when metrics are read.
pub struct Backlog {
    /// The bound of all outboxes together, in bytes, inclusive.
    max_bytes: usize,
    /// The bounds of one outbox; they are the same for all, so no outbox stores them.
    pub(crate) each: QueueLimits,
    /// The bytes that wait.
    held: AtomicUsize,
    /// The number of outboxes, one for each open session.
    outboxes: AtomicUsize,
}

/// The bounds of one outbox, inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueLimits {
    /// Bytes that may wait for one client.
    pub bytes: usize,
    /// Messages that may wait for one client.
    pub messages: usize,
}

impl Backlog {
    /// Creates an empty backlog: `each` bounds one outbox, and `max_bytes` all of them together,
    /// inclusive.
    pub fn new(each: QueueLimits, max_bytes: usize) -> Self {
        Self { max_bytes, each, held: AtomicUsize::new(0), outboxes: AtomicUsize::new(0) }
    }

    /// Returns true if an outbox that holds `held` bytes may queue `more`: while all outboxes
    /// together stay within the bound, and beyond it while this outbox stays within its fair share,
    /// the bound divided by the number of outboxes.
    pub fn fits(&self, held: usize, more: usize) -> bool {
        let all = self.held() + more;
        all <= self.max_bytes || held + more <= self.max_bytes / self.outboxes.load(Relaxed).max(1)
    }

    /// Counts one more outbox.
    pub fn add_outbox(&self) {
        self.outboxes.fetch_add(1, Relaxed);
    }

    /// Counts one outbox less.
    pub fn remove_outbox(&self) {
        self.outboxes.fetch_sub(1, Relaxed);
    }

    /// Counts `bytes` that were queued.
    pub fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    /// Counts `bytes` that left an outbox.
    pub fn remove(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Returns the bytes that wait in all outboxes.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_an_outbox_may_grow_only_within_its_fair_share() {
        let backlog = Backlog::new(QueueLimits { bytes: 1000, messages: 10 }, 1000);
        (0..10).for_each(|_| backlog.add_outbox());
        backlog.add(900);
        assert!(backlog.fits(900, 100), "the bound of all together is 1000, inclusive");
        assert!(!backlog.fits(101, 200));
        assert!(backlog.fits(0, 100), "the fair share of ten outboxes is a tenth, inclusive");
        backlog.remove(200);
        assert!(backlog.fits(101, 200));
        backlog.add(200);
        (0..5).for_each(|_| backlog.remove_outbox());
        assert!(backlog.fits(0, 200) && !backlog.fits(1, 200), "of five outboxes it is a fifth");
    }
}
