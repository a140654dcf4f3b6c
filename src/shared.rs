//! State that all threads of a server share.

use crate::{
    config::Settings,
    limits::{Descriptors, Limits},
    metrics::Metrics,
    protocol::SessionTokens,
};
use std::sync::Arc;

/// One for each server; each thread, and each test, that needs one of its parts holds the whole.
pub struct Shared {
    pub settings: Arc<Settings>,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub tokens: SessionTokens,
}

impl Shared {
    /// What a server of these settings shares, with `descriptors` for its clients.
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
