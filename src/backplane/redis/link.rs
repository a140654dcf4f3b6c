//! The link to Redis: two connections on a thread of their own, one for calls and one for what is
//! published.
//!
//! The node sends lists of calls; replies, publications and changes of state go back to the hub as
//! events. If one connection fails, an answer is late, or a probe through the publish path does not
//! come back, both are given up and opened anew: nothing is resubscribed or sent again here, the
//! node does that when it sees [`LinkEvent::Connected`].

mod access; // from settings to a client of the server
mod failure; // why the server cannot be called, with the remedy
mod server; // what a server says about itself, and whose keys it has
mod connection; // the two connections
mod pushes; // the bounded buffer of publications
mod courier; // events for the hub
mod lease; // signs of life, and the end of dead nodes
mod status; // log lines, readiness, metrics
#[cfg(test)]
mod tests; // against a real server

pub use failure::SetupError;

use super::{
    FromLink,
    call::{Call, LinkEvent, Outgoing, Reply},
    entry::NodeId,
};
use crate::{
    config::{BackplaneSettings, Secret},
    exit::PanicGuard,
    metrics::Metrics,
    protocol::SessionTokens,
    readiness::Readiness,
};
use actix::prelude::*;
use connection::Connection;
use courier::Courier;
use failure::Failure;
use futures_util::{StreamExt, poll, stream::FuturesUnordered};
use pushes::Pushes;
use server::Contact;
use status::Status;
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, mpsc as blocking},
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};

/// Time between two probes through the publish path.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// Longest time for a probe to come back, inclusive.
const PROBE_WITHIN: Duration = Duration::from_secs(4);

/// Shortest pause before a connect.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause before a connect.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Age at which a connection counts as sound: the next pause is the shortest again.
const SOUND_AFTER: Duration = Duration::from_secs(10);

/// Signs of life that a node shows within `backplane.node_timeout`.
const SIGNS_OF_LIFE: u32 = 3;

/// The part of a link that runs on its thread.
pub struct Link {
    settings: BackplaneSettings,
    node: NodeId,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// The sender of calls; cheap to clone.
#[derive(Clone)]
pub struct LinkHandle(mpsc::UnboundedSender<Order>);

enum Order {
    Call(Vec<Outgoing>),
    Leave(oneshot::Sender<()>),
}

impl LinkHandle {
    /// Sends calls, without waiting. While Redis cannot be called they are dropped: the node sends
    /// them again after [`LinkEvent::Connected`].
    ///
    /// The queue has no bound of its own. The node bounds the calls without a reply: a `Publish`, a
    /// `Members` and a subscription of each room, 16 that read or restore rooms, 64 queries and 64
    /// farewells. Only the ends of subscriptions have no bound but the rooms that are closed.
    pub fn send(&self, calls: Vec<Outgoing>) {
        let _ = self.0.send(Order::Call(calls)); // after the end of the link nobody waits for a reply
    }

    /// Carries out the calls that were sent, removes the clients and speakers of this node from all
    /// rooms, and ends the link; gives up after `within`, and leaves the rest to the other nodes.
    pub async fn leave(&self, within: Duration) {
        let (done, left) = oneshot::channel();
        if self.0.send(Order::Leave(done)).is_ok() {
            let _ = timeout(within, left).await;
        }
    }
}

impl Link {
    /// Creates the link of `node` to the server in `settings`. Nothing is connected before
    /// [`Link::start`]; calls that are sent before it wait.
    pub fn new(settings: BackplaneSettings, node: NodeId) -> (Self, LinkHandle) {
        let (sender, orders) = mpsc::unbounded_channel();
        (Self { settings, node, orders }, LinkHandle(sender))
    }

    /// Starts the link on a thread of its own, and waits for the first contact with the server, or
    /// until the server proves to be out of reach, for `backplane.timeout` at most.
    ///
    /// `tokens` take the secret that all nodes share, if they are to have one. The node is not
    /// ready until the server can be called. A server whose set-up turns out to be wrong at a first
    /// contact that comes later ends the process.
    ///
    /// # Errors
    /// [`SetupError`] if the server was reached, and cannot be used as it is set up.
    pub fn start(
        self,
        hub: Recipient<FromLink>,
        metrics: Arc<Metrics>,
        readiness: Readiness,
        tokens: Option<SessionTokens>,
    ) -> Result<(), SetupError> {
        let (told, first) = blocking::sync_channel(1);
        let within = self.settings.timeout;
        let thread = Arbiter::new();
        thread.spawn_fn(move || {
            let courier = Courier::start(hub, self.settings.push_buffer.bytes(), &metrics);
            let status = Status::new(&self.settings, metrics.clone(), readiness);
            let first = Some(told);
            let secret = RefCell::default();
            let runner = Runner { link: self, tokens, secret, metrics, courier, status, first, connects: 0 };
            spawn_local(async {
                let _guard = PanicGuard("link to the backplane");
                runner.run().await;
                Arbiter::current().stop();
            });
        });
        first.recv_timeout(within).unwrap_or(Ok(()))
    }
}

struct Runner {
    link: Link,
    tokens: Option<SessionTokens>,
    /// The secret that all nodes share, once it is known: a server that has lost it gets it back.
    secret: RefCell<Secret>,
    metrics: Arc<Metrics>,
    courier: Rc<Courier>,
    status: Status,
    /// Told about the first contact.
    first: Option<blocking::SyncSender<Result<(), SetupError>>>,
    connects: u64,
}

/// The end of a pair of connections.
enum End {
    /// They cannot be used.
    Failed(Failure),
    /// The node has left.
    Left(oneshot::Sender<()>),
    /// The hub is gone.
    Abandoned,
}

impl Runner {
    async fn run(mut self) {
        let mut pause = MIN_PAUSE;
        loop {
            let began = Instant::now();
            let end = match self.connect().await {
                Ok((connection, pushes)) => {
                    let end = self.serve(Rc::new(connection), pushes).await;
                    self.courier.queue(LinkEvent::Disconnected);
                    end
                }
                Err(end) => end,
            };
            match end {
                End::Failed(failure) if !self.goes_on_after(&failure) => return,
                End::Failed(failure) => self.status.down(&failure),
                End::Left(done) => {
                    let _ = done.send(()); // the server may have given up to wait
                    return;
                }
                End::Abandoned => return,
            }
            if began.elapsed() > SOUND_AFTER {
                pause = MIN_PAUSE;
            }
            if !self.rest(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await {
                return;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Opens both connections, and tells the hub.
    async fn connect(&mut self) -> Result<(Connection, Pushes), End> {
        let pushes = self.courier.pushes();
        let contact = Contact {
            settings: &self.link.settings,
            node: self.link.node,
            metrics: &self.metrics,
            tokens: self.tokens.as_ref().map(|tokens| (tokens, &self.secret)),
            is_first: self.connects == 0,
            avoids_shards: false,
        };
        let (connection, server) = contact.make(&pushes).await?;
        let (life, restore) = connection.life().await?;
        let reaped = connection.shows_life().await?.was_missing && self.connects > 0;
        self.connects += 1;
        self.status.up(&server, self.connects > 1);
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(())); // the start may have gone on without waiting
        }
        while let Ok(order) = self.link.orders.try_recv() {
            match order {
                Order::Call(_) => {} // the node sends it again
                Order::Leave(done) => {
                    let _ = connection.reap(self.link.node).await; // others do it later
                    return Err(End::Left(done));
                }
            }
        }
        connection.believes(life.clone());
        self.courier.queue(LinkEvent::Connected { life, restore });
        if reaped {
            self.courier.queue(LinkEvent::Reaped);
        }
        Ok((connection, pushes))
    }

    /// Tells the start about the first contact; false if that ends the program.
    fn goes_on_after(&mut self, failure: &Failure) -> bool {
        let first = self.first.take();
        let (Failure::Setup(error), 0) = (failure, self.connects) else {
            // Out of reach is no reason not to start.
            first.map(|first| first.send(Ok(())));
            return true;
        };
        if first.is_none_or(|first| first.send(Err(error.clone())).is_err()) {
            self.status.end_process(error); // the start has not waited so long
        }
        false
    }

    /// Waits before the next connect; false if the link ends.
    async fn rest(&mut self, pause: Duration) -> bool {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => {
                    self.status.settle();
                    return true;
                }
                order = self.link.orders.recv() => match order {
                    Some(Order::Call(_)) => {} // sent again after the connect
                    Some(Order::Leave(done)) => {
                        let _ = done.send(()); // the other nodes remove the clients of this one
                        return false;
                    }
                    None => return false,
                },
            }
        }
    }

    /// Carries out calls, and reports what is published, until one of the connections fails.
    async fn serve(&mut self, connection: Rc<Connection>, mut pushes: Pushes) -> End {
        let mut calls = FuturesUnordered::new();
        let mut chores = Chores::default();
        let began = Instant::now();
        let sign_every = self.link.settings.node_timeout / SIGNS_OF_LIFE;
        let mut signs = ticks(sign_every);
        let mut probes = ticks(PROBE_EVERY);
        let mut probe = Probe::default();
        loop {
            tokio::select! {
                order = self.link.orders.recv() => match order {
                    Some(Order::Call(list)) => {
                        let mut carried_out =
                            Box::pin(carry_out(connection.clone(), list, self.courier.clone()));
                        // The first poll sends the calls, behind those of earlier lists.
                        match poll!(&mut carried_out) {
                            Poll::Ready(Err(failure)) => return End::Failed(failure),
                            Poll::Ready(Ok(())) => {}
                            Poll::Pending => calls.push(carried_out),
                        }
                    }
                    Some(Order::Leave(done)) => {
                        while let Some(Ok(())) = calls.next().await {}
                        let _ = connection.reap(self.link.node).await; // others do it later
                        return End::Left(done);
                    }
                    None => return End::Abandoned,
                },
                Some(Err(failure)) = calls.next(), if !calls.is_empty() => return End::Failed(failure),
                pushed = pushes.next() => match self.courier.take(pushed, &connection) {
                    Ok(None) => {}
                    Ok(Some(number)) => probe.came_back(number),
                    Err(failure) => return End::Failed(failure),
                },
                due = probes.tick() => {
                    match probe.next(due) {
                        Ok(number) => chores.begin(probe_once(connection.clone(), number)),
                        Err(failure) => return End::Failed(failure),
                    }
                    self.status.settle();
                }
                _ = signs.tick() => chores.begin(sign_of_life(connection.clone())),
                Some(done) = chores.running.next(), if !chores.running.is_empty() => match done {
                    Ok(Chore::Life(life, restore)) if connection.believes(life.clone()) => {
                        self.courier.queue(LinkEvent::LifeChanged { life, restore });
                    }
                    Ok(Chore::Life(..)) => {}
                    Ok(Chore::Sign { was_missing, dead }) => {
                        if was_missing {
                            self.courier.queue(LinkEvent::Reaped);
                        }
                        // After an outage the leases of all nodes are old, until each is back.
                        if began.elapsed() >= self.link.settings.node_timeout {
                            chores.dead.extend(dead);
                            chores.reap_next(&connection);
                        }
                    }
                    Ok(Chore::Reaped(node)) => {
                        self.status.reaped(node);
                        chores.is_reaping = false;
                        chores.reap_next(&connection);
                    }
                    Err(failure) => return End::Failed(failure),
                },
            }
        }
    }
}

/// Ticks after each period; a tick that is late delays the next ones.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Carries out the calls of one list in their order, and queues their replies.
async fn carry_out(
    connection: Rc<Connection>,
    list: Vec<Outgoing>,
    courier: Rc<Courier>,
) -> Result<(), Failure> {
    let mut rest = list.as_slice();
    while let Some(first) = rest.first() {
        let scripts = rest.iter().take_while(|outgoing| !is_subscription(&outgoing.call)).count();
        let (now, later) = rest.split_at(scripts.max(1));
        if scripts > 0 {
            for (outgoing, reply) in now.iter().zip(connection.run(now).await?) {
                courier.queue(LinkEvent::Replied(outgoing.id, reply));
            }
        } else {
            connection.change_subscriptions(&first.call).await?;
            courier.queue(LinkEvent::Replied(first.id, Reply::Done));
        }
        rest = later;
    }
    Ok(())
}

fn is_subscription(call: &Call) -> bool {
    matches!(call, Call::Subscribe(_) | Call::Unsubscribe(_))
}

/// The probes of one connection: numbers that are published, and must come back.
#[derive(Default)]
struct Probe {
    last: u64,
    /// Those that have not come back, with the time at which each was sent.
    waiting: VecDeque<(u64, Instant)>,
}

impl Probe {
    fn came_back(&mut self, number: u64) {
        self.waiting.retain(|(waiting, _)| *waiting > number);
    }

    /// Returns the number to send at a tick that was `due`, or fails because an earlier one has not
    /// come back. A process that stood still has heard nothing: it asks again first.
    fn next(&mut self, due: Instant) -> Result<u64, Failure> {
        let now = Instant::now();
        if now.duration_since(due) > PROBE_EVERY / 2 {
            self.waiting.clear();
        }
        // Ticks are some milliseconds early or late.
        let is_lost = |(_, sent): &(u64, Instant)| now.duration_since(*sent) > PROBE_WITHIN - PROBE_EVERY / 2;
        if self.waiting.front().is_some_and(is_lost) {
            return Err(Failure::Probe);
        }
        self.last += 1;
        self.waiting.push_back((self.last, now));
        Ok(self.last)
    }
}

type Running<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The work of a link besides the calls of its node.
#[derive(Default)]
struct Chores {
    running: FuturesUnordered<Running<Chore>>,
    dead: VecDeque<NodeId>,
    is_reaping: bool,
}

enum Chore {
    Life(super::call::Life, Duration),
    Sign { was_missing: bool, dead: Vec<NodeId> },
    Reaped(NodeId),
}

impl Chores {
    fn begin(&mut self, chore: impl Future<Output = Result<Chore, Failure>> + 'static) {
        self.running.push(Box::pin(chore));
    }

    /// Removes one dead node at a time.
    fn reap_next(&mut self, connection: &Rc<Connection>) {
        if self.is_reaping {
            self.dead.clear(); // the next sign of life names them again
        } else if let Some(node) = self.dead.pop_front() {
            self.is_reaping = true;
            let connection = connection.clone();
            self.begin(async move { connection.reap(node).await.map(|()| Chore::Reaped(node)) });
        }
    }
}

async fn probe_once(connection: Rc<Connection>, number: u64) -> Result<Chore, Failure> {
    let (life, restore) = connection.probe(number).await?;
    Ok(Chore::Life(life, restore))
}

async fn sign_of_life(connection: Rc<Connection>) -> Result<Chore, Failure> {
    let lease::Sign { was_missing, dead } = connection.shows_life().await?;
    Ok(Chore::Sign { was_missing, dead })
}
