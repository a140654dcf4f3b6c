//! What the worker threads of a server share, and what they and the hub share.

use crate::{
    config::Settings,
    descriptors::Descriptors,
    http::Context,
    hub::Hub,
    metrics::Metrics,
    outbox::Pool,
    protocol::Seal,
    relay::{Desk, Line, Relay, Roster},
    room::RelayId,
    session,
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
pub struct Node {
    pub settings: Arc<Settings>,
    pub hub: Addr<Hub>,
    pub metrics: Arc<Metrics>,
    /// Bytes of messages that may be under way.
    pub in_flight: Arc<Semaphore>,
    /// What all outboxes hold together.
    pub pool: Arc<Pool>,
    pub context: web::Data<Context>,
    pub descriptors: Arc<Descriptors>,
    /// Cancelled when the server stops: listeners close, and no connection waits for another request.
    pub closing: CancellationToken,
    seal: Seal,
    relays: Arc<AtomicU32>,
}

impl Node {
    pub fn new(
        settings: Arc<Settings>,
        hub: Addr<Hub>,
        metrics: Arc<Metrics>,
        descriptors: Arc<Descriptors>,
        listeners: &[SocketAddr],
    ) -> Self {
        let seal = Seal::default();
        let in_flight = session::in_flight(settings.limits.in_flight_bytes.bytes());
        let context = Context::new(
            settings.clone(),
            hub.clone(),
            metrics.clone(),
            seal.clone(),
            in_flight.clone(),
            descriptors.clone(),
            listeners,
        );
        Self {
            context: web::Data::new(context),
            descriptors,
            closing: CancellationToken::new(),
            in_flight,
            pool: Arc::new(Pool::new(&settings, metrics.clone())),
            relays: Arc::default(),
            seal,
            settings,
            hub,
            metrics,
        }
    }

    /// What the sessions of this thread share with its relay, which starts when it is asked for first.
    pub fn desk(&self) -> Rc<Desk> {
        thread_local!(static DESK: OnceCell<Rc<Desk>> = const { OnceCell::new() });
        DESK.with(|desk| desk.get_or_init(|| self.start_relay()).clone())
    }

    fn start_relay(&self) -> Rc<Desk> {
        let desk = Rc::new(Desk {
            relay: RelayId(self.relays.fetch_add(1, Ordering::Relaxed)),
            hub: Line::new(self.hub.clone()),
            settings: self.settings.clone(),
            metrics: self.metrics.clone(),
            in_flight: self.in_flight.clone(),
            pool: self.pool.clone(),
            seal: self.seal.clone(),
            roster: RefCell::new(Roster::new(&self.settings)),
        });
        Relay::new(desk.clone()).start();
        desk
    }
}
