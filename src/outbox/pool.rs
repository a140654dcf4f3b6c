//! What all outboxes of the server hold together.

use crate::metrics::Metrics;
use std::sync::Arc;

/// Counts the bytes that wait for clients, in the gauge that operators see.
pub struct Pool {
    most: usize,
    metrics: Arc<Metrics>,
}

impl Pool {
    pub fn new(most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { most, metrics })
    }

    /// Whether an outbox that holds `held` may take `more`: as long as all together stay within the
    /// bound, and beyond it as long as this one stays within its fair share.
    pub fn has_room(&self, held: usize, more: usize) -> bool {
        let all = self.held() + more;
        all <= self.most || held + more <= self.most / self.outboxes()
    }

    pub fn add(&self, bytes: usize) {
        self.metrics.outbox_bytes.inc_by(bytes as i64);
    }

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
    fn past_the_bound_only_who_holds_little_may_have_more() {
        let metrics = Arc::new(Metrics::new());
        metrics.sessions.inc_by(10);
        let pool = Pool::new(1000, metrics);
        pool.add(900);
        assert!(pool.has_room(900, 100), "all together may hold 1000");
        assert!(!pool.has_room(101, 200));
        assert!(pool.has_room(0, 100), "a tenth is everybody's");
        pool.remove(200);
        assert!(pool.has_room(101, 200));
    }
}
