//! What answers on every listener: one actix-web `App`, for plain requests and for upgrades.

use super::upgrade;
use crate::{
    config::Settings,
    http::{self, Context},
    hub::Hub,
    metrics::Metrics,
    outbox::Pool,
    protocol::Seal,
    relay::{Desk, Line, Relay, Roster},
    room::RelayId,
    session::{self, Session, Terms},
};
use actix::{Actor, Addr};
use actix_http::{HttpService, KeepAlive};
use actix_server::{Server, ServerBuilder};
use actix_service::{Service, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::{
    body::BoxBody,
    dev::{AppConfig, ServiceResponse},
    web,
};
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
    time::Duration,
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

/// How often the clock of actix-http moves on; a deadline that has passed when it is set is never noticed.
const HTTP_TICK: Duration = Duration::from_millis(500);

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
    server.listen(address.to_string(), listener, move || {
        let (app, desk) = (http::app(node.context.clone(), address), node.clone());
        let app = map_config(app, |()| AppConfig::default()).map(move |answer| listening(&desk, answer));
        let session = &node.settings.session;
        let http = HttpService::build()
            .client_request_timeout(session.handshake_within)
            .client_disconnect_timeout(session.close_within.max(HTTP_TICK * 2))
            .keep_alive(KeepAlive::Disabled) // the head of a second request would have no deadline
            .upgrade(upgrade::factory(node.clone(), address))
            .h1(app)
            .tcp();
        apply_fn_factory(http, |socket, http| upgrade::until_the_session_ends(http.call(socket)))
    })
}

/// Who was admitted to listen over HTTP hears its room in the body of the answer.
fn listening(node: &Node, mut answer: ServiceResponse) -> ServiceResponse {
    let terms = answer.response_mut().extensions_mut().remove::<Terms>();
    match terms {
        Some(terms) => answer.map_body(|_, _| BoxBody::new(Session::listen(node.desk(), terms))),
        None => answer,
    }
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
