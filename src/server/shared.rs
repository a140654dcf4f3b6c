//! What the worker threads of a server share, and what they and the hub share.

use crate::{
    config::Settings,
    http::AppState,
    hub::Hub,
    ids::RelayId,
    limits::{Backlog, Descriptors, in_flight},
    metrics::Metrics,
    protocol::SessionTokens,
    relay::{HubSender, LocalSessions, Relay, WorkerContext},
};
use actix::{Actor, Addr};
use actix_web::web;
use std::{
    cell::{OnceCell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What every worker thread needs.
#[derive(Clone)]
pub struct Shared {
    pub settings: Arc<Settings>,
    pub hub: Addr<Hub>,
    pub metrics: Arc<Metrics>,
    /// Bytes of messages that may be under way.
    pub in_flight: Arc<Semaphore>,
    /// What all outboxes hold together.
    pub backlog: Arc<Backlog>,
    pub state: web::Data<AppState>,
    pub descriptors: Arc<Descriptors>,
    /// Cancelled when the server stops: listeners close, and no connection waits for another request.
    pub closing: CancellationToken,
    tokens: SessionTokens,
    relays: Arc<AtomicU32>,
}

impl Shared {
    pub fn new(
        settings: Arc<Settings>,
        hub: Addr<Hub>,
        metrics: Arc<Metrics>,
        descriptors: Arc<Descriptors>,
        listeners: &[SocketAddr],
    ) -> Self {
        let tokens = SessionTokens::new(&settings.session.secret);
        let in_flight = in_flight(settings.limits.in_flight_bytes.bytes());
        let state = AppState::new(
            settings.clone(),
            hub.clone(),
            metrics.clone(),
            tokens.clone(),
            in_flight.clone(),
            descriptors.clone(),
            listeners,
        );
        Self {
            state: web::Data::new(state),
            descriptors,
            closing: CancellationToken::new(),
            in_flight,
            backlog: Arc::new(Backlog::new(&settings, metrics.clone())),
            relays: Arc::default(),
            tokens,
            settings,
            hub,
            metrics,
        }
    }

    /// What the sessions of this thread share with its relay, which starts when it is asked for first.
    pub fn worker(&self) -> Rc<WorkerContext> {
        thread_local!(static WORKER: OnceCell<Rc<WorkerContext>> = const { OnceCell::new() });
        WORKER.with(|worker| worker.get_or_init(|| self.start_relay()).clone())
    }

    fn start_relay(&self) -> Rc<WorkerContext> {
        let worker = Rc::new(WorkerContext {
            relay: RelayId(self.relays.fetch_add(1, Ordering::Relaxed)),
            hub: HubSender::new(self.hub.clone()),
            settings: self.settings.clone(),
            metrics: self.metrics.clone(),
            in_flight: self.in_flight.clone(),
            backlog: self.backlog.clone(),
            tokens: self.tokens.clone(),
            local_sessions: RefCell::new(LocalSessions::new(&self.settings)),
        });
        Relay::new(worker.clone()).start();
        worker
    }
}
