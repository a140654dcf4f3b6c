//! What all outboxes of the server hold together, and may hold.

use crate::{config::Settings, metrics::Metrics};
use std::sync::Arc;

/// Counts the bytes that wait for clients, in the gauge that operators see.
pub struct Backlog {
    /// Bytes of all together.
    most: usize,
    /// The bounds of one outbox, the same for all, so that none carries them.
    pub(crate) each: QueueLimits,
    metrics: Arc<Metrics>,
}

/// How much may wait for one client.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    pub bytes: usize,
    pub messages: usize,
}

impl Backlog {
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let session = &settings.session;
        let each = QueueLimits { bytes: session.outbox_bytes.bytes(), messages: session.outbox_messages };
        Self { most: settings.limits.outbox_bytes_total.bytes(), each, metrics }
    }

    /// Whether an outbox that holds `held` may take `more`: as long as all together stay within the
    /// bound, and beyond it as long as this one stays within its fair share.
    pub fn fits(&self, held: usize, more: usize) -> bool {
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
        let backlog = Backlog { most: 1000, ..Backlog::new(&Settings::default(), metrics) };
        backlog.add(900);
        assert!(backlog.fits(900, 100), "all together may hold 1000");
        assert!(!backlog.fits(101, 200));
        assert!(backlog.fits(0, 100), "a tenth is everybody's");
        backlog.remove(200);
        assert!(backlog.fits(101, 200));
    }
}
