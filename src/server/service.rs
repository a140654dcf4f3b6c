//! What answers on every listener: one actix-web `App`, for plain requests and for upgrades.

use super::door;
use crate::{
    config::Settings,
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
use actix_server::{Server, ServerBuilder};
use actix_web::web;
use std::{
    cell::{OnceCell, RefCell},
    io,
    net::{SocketAddr, TcpListener},
    num::NonZero,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::available_parallelism,
};
use tokio::sync::Semaphore;

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
    seal: Seal,
    relays: Arc<AtomicU32>,
}

impl Node {
    pub fn new(
        settings: Arc<Settings>,
        hub: Addr<Hub>,
        metrics: Arc<Metrics>,
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
            listeners,
        );
        Self {
            context: web::Data::new(context),
            in_flight,
            pool: Pool::new(settings.limits.outbox_bytes_total.bytes(), metrics.clone()),
            relays: Arc::default(),
            seal,
            settings,
            hub,
            metrics,
        }
    }

    /// What the sessions of this thread share with its relay; the first listener that comes to a
    /// thread starts the relay.
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
            roster: RefCell::new(Roster::new(&self.settings.compression)),
        });
        Relay::new(desk.clone()).start();
        desk
    }
}

/// Serves all listeners on the configured number of worker threads.
pub fn serve(listeners: Vec<(TcpListener, SocketAddr)>, node: &Node) -> io::Result<Server> {
    let settings = &node.settings;
    let mut server = Server::build()
        .workers(workers(settings.workers))
        .max_concurrent_connections(usize::MAX) // we refuse with a reason; its own cap would be 25,000 for each worker, silently
        .shutdown_timeout(shutdown_timeout(settings))
        .disable_signals();
    for (listener, address) in listeners {
        server = add_listener(server, listener, address, node.clone())?;
    }
    Ok(server.run())
}

fn add_listener(
    server: ServerBuilder,
    listener: TcpListener,
    address: SocketAddr,
    node: Node,
) -> io::Result<ServerBuilder> {
    server.listen(address.to_string(), listener, move || door::factory(node.clone(), address))
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    }
}

/// Longer than the drain may take, in whole seconds: actix cuts off whoever is left then.
fn shutdown_timeout(settings: &Settings) -> u64 {
    let drain = settings.shutdown.drain + settings.session.close_within;
    drain.as_secs() + 2
}
