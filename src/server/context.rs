//! The state with which worker threads start.

use crate::{
    http::AppState,
    hub::Hub,
    ids::RelayId,
    relay::{Relay, WorkerContext},
    shared::Shared,
};
use actix::{Actor, Addr};
use actix_web::web;
use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// The state for each worker thread and for the admin listener; cheap to clone.
#[derive(Clone)]
pub struct ServerContext {
    /// The state that all threads share.
    pub shared: Arc<Shared>,
    /// The hub.
    pub hub: Addr<Hub>,
    /// The state of the HTTP handlers.
    pub state: web::Data<AppState>,
    /// Cancelled at shutdown: listeners close, and no connection waits for another request.
    pub closing: CancellationToken,
    relays: Arc<AtomicU32>,
}

impl ServerContext {
    /// Creates the state of a server whose listeners are bound to these addresses.
    pub fn new(shared: Arc<Shared>, hub: Addr<Hub>, listeners: &[SocketAddr]) -> Self {
        let state = web::Data::new(AppState::new(shared.clone(), hub.clone(), listeners));
        Self { shared, hub, state, closing: CancellationToken::new(), relays: Arc::default() }
    }

    /// Starts the relay of the calling thread; returns the state that its sessions share with it.
    pub fn start_relay(&self) -> Rc<WorkerContext> {
        let relay = RelayId(self.relays.fetch_add(1, Ordering::Relaxed));
        let worker = Rc::new(WorkerContext::new(self.shared.clone(), relay, self.hub.clone()));
        Relay::new(worker.clone()).start();
        worker
    }
}

#[cfg(test)]
impl ServerContext {
    /// The state of a server without listeners.
    pub fn for_tests() -> Self {
        let settings = crate::config::Settings::default();
        let descriptors = crate::limits::Descriptors::raise_limit(1);
        let shared = Shared::new(&settings, descriptors);
        let hub = Hub::new(shared.policy.load_full(), shared.metrics.clone()).start();
        Self::new(shared, hub, &[])
    }
}
