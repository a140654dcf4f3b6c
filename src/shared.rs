//! State that all threads of a server share.

use crate::{
    config::Settings,
    limits::{Descriptors, Limits},
    metrics::Metrics,
    protocol::SessionTokens,
};
use std::sync::Arc;

/// The shared state of one server. Every thread that needs one of its parts holds the whole.
pub struct Shared {
    /// The settings, which do not change.
    pub settings: Arc<Settings>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The limits of the whole server.
    pub limits: Limits,
    /// Issues and verifies session tokens.
    pub tokens: SessionTokens,
}

impl Shared {
    /// Creates the state of a server with these settings, and with `descriptors` for its clients.
    pub fn new(settings: Settings, descriptors: Descriptors) -> Arc<Self> {
        let (settings, metrics) = (Arc::new(settings), Arc::new(Metrics::new()));
        Arc::new(Self {
            limits: Limits::new(&settings, &metrics, descriptors),
            tokens: SessionTokens::new(settings.session.secret.expose()),
            metrics,
            settings,
        })
    }
}
