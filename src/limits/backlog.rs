//! Bounds the bytes and messages that wait in outboxes.
//!
//! At the bound of one outbox its connection is closed with 1013 `too_slow`. At the bound of all
//! outboxes together, that happens to a connection that needs more and holds more than its fair
//! share. Keys: `session.outbox_bytes`, `session.outbox_messages` and `limits.outbox_bytes_total`.
//! Metrics: `worldcast_outbox_bytes` and `worldcast_closes_total{reason="too_slow"}`.

use crate::metrics::Metrics;
use std::sync::Arc;

/// The bytes that wait in all outboxes, counted in the gauge `worldcast_outbox_bytes`.
pub struct Backlog {
    /// The bound of all outboxes together, in bytes, inclusive.
    max_bytes: usize,
    /// The bounds of one outbox; they are the same for all, so no outbox stores them.
    pub(crate) each: QueueLimits,
    metrics: Arc<Metrics>,
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
    pub fn new(each: QueueLimits, max_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self { max_bytes, each, metrics }
    }

    /// Returns true if an outbox that holds `held` bytes may queue `more`: while all outboxes
    /// together stay within the bound, and beyond it while this outbox stays within its fair share,
    /// the bound divided by the open sessions.
    pub fn fits(&self, held: usize, more: usize) -> bool {
        let all = self.held() + more;
        all <= self.max_bytes || held + more <= self.max_bytes / self.outboxes()
    }

    /// Counts `bytes` that were queued.
    pub fn add(&self, bytes: usize) {
        self.metrics.outbox_bytes.inc_by(bytes as i64);
    }

    /// Counts `bytes` that left an outbox.
    pub fn remove(&self, bytes: usize) {
        self.metrics.outbox_bytes.dec_by(bytes as i64);
    }

    fn held(&self) -> usize {
        usize::try_from(self.metrics.outbox_bytes.get()).unwrap_or(0)
    }

    fn outboxes(&self) -> usize {
        usize::try_from(self.metrics.sessions.get()).unwrap_or(0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_an_outbox_may_grow_only_within_its_fair_share() {
        let metrics = Arc::new(Metrics::new());
        metrics.sessions.inc_by(10);
        let backlog = Backlog::new(QueueLimits { bytes: 1000, messages: 10 }, 1000, metrics);
        backlog.add(900);
        assert!(backlog.fits(900, 100), "the bound of all together is 1000, inclusive");
        assert!(!backlog.fits(101, 200));
        assert!(backlog.fits(0, 100), "the fair share of ten sessions is a tenth, inclusive");
        backlog.remove(200);
        assert!(backlog.fits(101, 200));
    }
}
