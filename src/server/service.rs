//! What answers on every listener: one actix-web `App`, for plain requests and for upgrades.

use super::upgrade;
use crate::{
    config::Settings,
    http::{self, Context},
    hub::Hub,
    relay::{Desk, Relay},
    session,
};
use actix::Addr;
use actix_http::{HttpService, KeepAlive};
use actix_server::{Server, ServerBuilder};
use actix_service::map_config;
use actix_web::{dev::AppConfig, web};
use std::{
    cell::OnceCell,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZero,
    rc::Rc,
    sync::Arc,
    thread::available_parallelism,
};
use tokio::sync::Semaphore;

/// What every worker thread needs.
#[derive(Clone)]
pub struct Node {
    pub settings: Arc<Settings>,
    pub hub: Addr<Hub>,
    /// Bytes of messages that may be under way.
    pub in_flight: Arc<Semaphore>,
    pub context: web::Data<Context>,
}

impl Node {
    fn new(settings: &Arc<Settings>, hub: &Addr<Hub>) -> Self {
        let context = web::Data::new(Context::new(settings.clone(), hub.clone()));
        let in_flight = session::in_flight(settings.limits.in_flight_bytes.bytes());
        Self { settings: settings.clone(), hub: hub.clone(), in_flight, context }
    }

    /// This thread's relay; the first listener that comes to a thread starts it.
    pub fn desk(&self) -> Rc<Desk> {
        thread_local!(static DESK: OnceCell<Rc<Desk>> = const { OnceCell::new() });
        DESK.with(|desk| {
            desk.get_or_init(|| Relay::start_here(self.hub.clone(), self.settings.clone())).clone()
        })
    }
}

/// Serves all listeners on the configured number of worker threads.
pub fn serve(
    listeners: Vec<(TcpListener, SocketAddr)>,
    settings: &Arc<Settings>,
    hub: &Addr<Hub>,
) -> io::Result<Server> {
    let node = Node::new(settings, hub);
    let mut server = Server::build()
        .workers(workers(settings.workers))
        .max_concurrent_connections(settings.limits.connections) // for each worker; its own cap would be 25,000, silently
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
        let app = http::app(node.context.clone());
        let session = &node.settings.session;
        HttpService::build()
            .client_request_timeout(session.handshake_within)
            .client_disconnect_timeout(session.close_within)
            .keep_alive(KeepAlive::Disabled) // the head of a second request would have no deadline
            .upgrade(upgrade::factory(node.clone()))
            .h1(map_config(app, |()| AppConfig::default()))
            .tcp()
    })
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
