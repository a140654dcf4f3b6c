//! Readiness: the reasons why a load balancer must not send new clients to this server.

use serde::Serialize;
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// A reason why the server takes no new clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotReady {
    /// The listeners or the worker threads are not up yet.
    Starting,
    /// The server stops, and closes its sessions.
    Draining,
    /// The server of the backplane cannot be called: no room can be opened, and nobody can publish.
    Backplane,
}

impl NotReady {
    const ALL: [Self; 3] = [Self::Starting, Self::Draining, Self::Backplane];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of reasons, shared by its clones; the server is ready without any.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Adds a reason, until [`Readiness::remove`].
    pub fn add(&self, reason: NotReady) {
        self.0.fetch_or(reason.bit(), Ordering::Relaxed);
    }

    /// Removes a reason; others remain.
    pub fn remove(&self, reason: NotReady) {
        self.0.fetch_and(!reason.bit(), Ordering::Relaxed);
    }

    /// Returns the present reasons, in the order of [`NotReady`].
    pub fn reasons(&self) -> Vec<NotReady> {
        let present = self.0.load(Ordering::Relaxed);
        NotReady::ALL.into_iter().filter(|reason| present & reason.bit() != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_once_no_reason_is_left() {
        let readiness = Readiness::default();
        readiness.add(NotReady::Draining);
        readiness.add(NotReady::Starting);
        readiness.add(NotReady::Starting);
        assert_eq!(readiness.reasons(), [NotReady::Starting, NotReady::Draining]);
        readiness.clone().remove(NotReady::Starting);
        assert_eq!(readiness.reasons(), [NotReady::Draining], "a clone has the same reasons");
        readiness.remove(NotReady::Draining);
        assert_eq!(readiness.reasons(), []);
    }
}
