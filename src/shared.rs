//! State that all threads of a server share.

use crate::{
    config::Settings,
    limits::{Backlog, Descriptors, Limits, PoolSizes, answer_bytes, body_bytes},
    metrics::Metrics,
    policy::{Policy, Startup},
    protocol::SessionTokens,
};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The shared state of one server. Every thread that needs one of its parts holds the whole.
pub struct Shared {
    /// The settings that can be replaced while the server runs. A guard of it is not held across an
    /// `await`: it would keep an old policy, and slow down every `load` of its thread.
    pub policy: ArcSwap<Policy>,
    /// The settings that do not change.
    pub startup: Startup,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The limits of the whole server.
    pub limits: Limits,
    /// Issues and verifies session tokens.
    pub tokens: SessionTokens,
}

impl Shared {
    /// Creates the state of a server with these settings, and with `descriptors` for its clients.
    pub fn new(settings: &Settings, descriptors: Descriptors) -> Arc<Self> {
        let (policy, startup) = (Policy::new(settings), Startup::new(settings));
        let metrics = Arc::new(Metrics::new());
        let backlog = Backlog::new(policy.session.outbox, policy.limits.outbox_bytes_total);
        Arc::new(Self {
            limits: Limits::new(pool_sizes(&startup, &policy), backlog, &metrics, descriptors),
            tokens: SessionTokens::new(startup.secret.expose()),
            metrics,
            policy: ArcSwap::from_pointee(policy),
            startup,
        })
    }
}

/// Returns the sizes of the pools: the configured ones, but enough for the largest message and the
/// largest history.
fn pool_sizes(startup: &Startup, policy: &Policy) -> PoolSizes {
    let largest_message = policy.rooms.each().map(|room| room.max_message).max();
    let largest_history = policy.rooms.each().map(|room| room.history.bytes).max();
    PoolSizes {
        in_flight: startup.pools.in_flight,
        bodies: body_bytes(startup.pools.bodies, largest_message.unwrap_or_default()),
        answers: answer_bytes(startup.pools.answers, largest_history.unwrap_or_default()),
    }
}
