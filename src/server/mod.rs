//! The running server: listeners, worker threads, the thread of the hub, and the shutdown.

mod admin; // health, readiness and metrics
mod listener; // listening sockets
mod acceptor; // new connections, distributed to threads
mod workers; // the set of worker threads
mod worker; // one worker thread
mod context; // the state with which threads start
mod connection; // from a connection to a session
mod exchange; // requests and responses of HTTP/1
mod head; // the head of a request, as bytes
mod signals; // signals of the operating system

pub use signals::Signals;

use crate::{
    backplane::{Backplane, Link, LinkHandle, NodeId, NodeTimes, SetupError},
    clock,
    config::{BackplaneKind, Settings},
    hub::{Drain, Hub},
    limits::Descriptors,
    logging::TARGET,
    policy::{Policy, Startup},
    readiness::{NotReady, Readiness},
    shared::Shared,
};
use actix::prelude::*;
use admin::Admin;
use context::ServerContext;
use log::{info, warn};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};
use workers::Workers;

/// Longest time in which this node leaves the rooms that it shares with others.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// The reason why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {}{}", .cause.kind(), listener::remedy(.cause, .key))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        key: &'static str,
        /// The error of the system.
        cause: io::Error,
    },
    /// The admin listener cannot be served.
    #[error("cannot serve the admin listener on {address} (admin.listen)")]
    Admin {
        /// Its address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// A worker thread cannot be started.
    #[error("cannot start the worker threads")]
    Workers(#[source] io::Error),
    /// The server of the backplane cannot be used as it is set up.
    #[error(transparent)]
    Backplane(#[from] SetupError),
}

impl StartError {
    /// Returns addresses for `listen` and `admin.listen` that are free, if one of those in
    /// `settings` is in use.
    pub fn free_addresses(&self, settings: &Settings) -> Option<(Vec<SocketAddr>, Vec<SocketAddr>)> {
        match self {
            Self::Listen { cause, .. } if cause.kind() == io::ErrorKind::AddrInUse => {
                listener::free_addresses(&Startup::new(settings), &Policy::new(settings).session)
            }
            Self::Listen { .. } | Self::Admin { .. } | Self::Workers(_) | Self::Backplane(_) => None,
        }
    }
}

/// A running server. It needs a running actix `System`.
pub struct Server {
    addresses: Vec<SocketAddr>,
    admin: Admin,
    stop: Stop,
}

/// A handle that stops the server; cheap to clone.
#[derive(Clone)]
pub struct Stop {
    workers: Workers,
    hub: Addr<Hub>,
    readiness: Readiness,
    shared: Arc<Shared>,
    /// The link to other nodes; `None` if this node is alone.
    link: Option<LinkHandle>,
}

impl Server {
    /// Binds every listener and starts all threads.
    ///
    /// # Errors
    /// The [`StartError`] of the first step that fails.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let descriptors = Descriptors::raise_limit(workers::number(settings.workers));
        let shared = Shared::new(settings, descriptors);
        let policy = shared.policy.load_full();
        warn_of_danger(&policy);
        let listeners = listener::bind_all(&shared.startup, &policy.session)?;
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let readiness = Readiness::default();
        let (hub, link) = start_hub(&shared, &readiness)?;
        let context = ServerContext::new(shared.clone(), hub.clone(), &addresses);
        readiness.add(NotReady::Starting);
        let admin = Admin::start(context.clone(), readiness.clone())?;
        let workers = Workers::start(listeners, &context).map_err(StartError::Workers)?;
        shared.limits.descriptors.report(policy.limits.connections.all);
        readiness.remove(NotReady::Starting);
        let stop = Stop { workers, hub, readiness, shared, link };
        Ok(Self { addresses, admin, stop })
    }

    /// Returns the bound addresses, in the order of `listen`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the bound addresses of `admin.listen`.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        self.admin.addresses()
    }

    /// Returns the state that all threads share, in which the policy can be replaced.
    pub fn shared(&self) -> Arc<Shared> {
        self.stop.shared.clone()
    }

    /// Returns a handle that stops this server.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Serves until [`Stop::gracefully`] has been called and all sessions have ended.
    pub async fn run(self) {
        self.stop.workers.ended().await;
        self.stop.leave().await;
        self.admin.stop().await;
    }

    /// Serves until one of `signals` asks to stop; a second one ends the process at once.
    pub async fn run_until_stopped(self, mut signals: Signals) {
        for address in self.admin_addresses() {
            info!(target: TARGET, "admin at http://{}/metrics", reachable(*address));
        }
        for address in self.addresses.iter().filter_map(|address| on_network(*address)) {
            info!(target: TARGET, "other machines of the network reach http://{address}/");
        }
        info!(target: TARGET, "{}", where_to_click(&self.addresses));
        let stop = self.stop_handle();
        let stopped = async move {
            let signal = signals.next_stop().await;
            info!(target: TARGET, "{signal}: no new connections; closing all sessions over {:?}", stop.drain());
            signals.exit_at_next();
            stop.gracefully().await;
        };
        tokio::select! {
            () = self.run() => {}
            () = stopped => {}
        }
        info!(target: TARGET, "stopped");
    }
}

impl Stop {
    /// Stops accepting, delivers all accepted messages, and closes each session with 1012 at a
    /// random moment of `shutdown.drain`. Resolves when all sessions have ended, and their node has
    /// left the rooms that it shares with others; at the latest after `shutdown.drain`,
    /// `session.close_within`, and two seconds for dropping and leaving the rest.
    pub async fn gracefully(&self) {
        self.readiness.add(NotReady::Draining);
        self.workers.close();
        let (drain, close_within) = (self.drain(), self.shared.policy.load().session.deadlines.close_within);
        self.hub.do_send(Drain { over: drain }); // once
        let _ = clock::timeout(drain + close_within, self.workers.ended()).await;
        self.workers.end().await;
        self.leave().await;
    }

    /// Leaves the rooms that this node shares with others, once.
    async fn leave(&self) {
        if let Some(link) = &self.link {
            link.leave(LEAVE_WITHIN).await;
        }
    }

    fn drain(&self) -> Duration {
        self.shared.policy.load().drain
    }
}

/// Warns of a policy whose consequences an operator may not know.
fn warn_of_danger(policy: &Policy) {
    if policy.keys.is_empty() && policy.rooms.each().any(|room| !room.anyone) {
        warn!(target: TARGET, "publish.keys is empty: where publishing requires a key, no client may publish");
    }
    if policy.origins.allow_opaque() {
        warn!(
            target: TARGET,
            "origins.allowed has \"null\": any page of the web can have this origin, in a sandbox"
        );
    }
    if policy.origins.allow_everyone() {
        warn!(
            target: TARGET,
            "origins.allowed has \"*\": every page of the web may connect and act for its visitors"
        );
    }
}

/// Starts the hub on a thread of its own, so that no session delays it, and on another one the link
/// to the other nodes, if there is a backplane.
fn start_hub(
    shared: &Arc<Shared>,
    readiness: &Readiness,
) -> Result<(Addr<Hub>, Option<LinkHandle>), StartError> {
    let (policy, metrics) = (shared.policy.load_full(), shared.metrics.clone());
    let start = |hub| Hub::start_in_arbiter(&Arbiter::new().handle(), |_| hub);
    let settings = shared.startup.backplane.clone();
    if settings.kind == BackplaneKind::None {
        return Ok((start(Hub::new(policy, metrics)), None));
    }
    let id = NodeId::random();
    let (link, handle) = Link::new(settings, id);
    let times =
        NodeTimes { patience: policy.session.deadlines.stalled_write, key_window: policy.idempotency.window };
    let (history, keys) = (policy.limits.history_bytes_total, policy.idempotency);
    let backplane = Backplane::redis(id, handle.clone(), times, history, keys);
    let hub = start(Hub::over(backplane, policy, metrics));
    let tokens = shared.startup.secret.expose().is_empty().then(|| shared.tokens.clone());
    link.start(hub.clone().recipient(), shared.metrics.clone(), readiness.clone(), tokens)?;
    Ok((hub, Some(handle)))
}

/// Returns the line with the addresses to open: the first listener for people, the last for
/// programs; all serve both.
fn where_to_click(addresses: &[SocketAddr]) -> String {
    let page = addresses.first().map(|address| format!("page at http://{}/", reachable(*address)));
    let websocket =
        addresses.last().map(|address| format!("WebSocket at ws://{}/websocket", reachable(*address)));
    page.into_iter().chain(websocket).collect::<Vec<_>>().join(" · ")
}

fn is_wildcard(listener: SocketAddr) -> bool {
    listener.ip().to_canonical().is_unspecified()
}

/// Returns an address at which this machine reaches `listener`: 0.0.0.0 and [::] accept, but cannot
/// be connected to everywhere.
fn reachable(listener: SocketAddr) -> SocketAddr {
    match is_wildcard(listener) {
        true => (Ipv4Addr::LOCALHOST, listener.port()).into(),
        false => listener,
    }
}

/// Returns an address at which other machines of the network reach `listener`, if it is a wildcard.
fn on_network(listener: SocketAddr) -> Option<SocketAddr> {
    let ip = is_wildcard(listener).then(network_address)??;
    Some((ip, listener.port()).into())
}

/// Returns the address from which this machine reaches others. The kernel chooses it without
/// sending a packet; the other address belongs to nobody (RFC 5737).
fn network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
