//! A thread that serves connections, from the first request of each to its end: as the others see it, and the actor on it.

use super::{acceptor::Acceptor, door::Door, node::Node};
use crate::{
    hub::Barrier,
    logging::{COMPLAINT, PanicGuard},
};
use actix::prelude::*;
use actix_rt::ArbiterHandle;
use futures_util::{FutureExt, future::join_all};
use log::error;
use std::{
    io,
    net::{self, SocketAddr},
    rc::Rc,
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// As the others see it.
pub struct Thread {
    arbiter: ArbiterHandle,
    worker: Addr<Worker>,
    connections: TaskTracker,
}

struct Worker {
    node: Node,
    listeners: Vec<SocketAddr>,
    /// One for each listener.
    doors: Vec<Rc<Door>>,
    _guard: PanicGuard,
}

/// Server → worker: accept here, for all threads.
#[derive(Message)]
#[rtype(result = "()")]
struct Accept {
    acceptor: Acceptor,
    socket: net::TcpListener,
    until: CancellationToken,
    /// Kept as long as it is listened to.
    open: TaskTrackerToken,
}

/// Acceptor → worker of another thread: a client for you. Bounded by the file descriptors of the process.
#[derive(Message)]
#[rtype(result = "()")]
struct Arrival {
    listener: usize,
    client: net::TcpStream,
    peer: SocketAddr,
    /// Counts the connection before it is served.
    place: TaskTrackerToken,
}

/// Server → worker: nobody is connected any more. Answered when the hub has heard all that the thread had to tell.
#[derive(Message)]
#[rtype(result = "()")]
struct LastWord;

impl Thread {
    /// Starts the one of this `number`; so many files can be read at once.
    pub fn start(node: &Node, number: usize, listeners: &[SocketAddr], readers: usize) -> io::Result<Self> {
        let arbiter = Arbiter::try_with_tokio_rt(move || runtime(readers))?.handle();
        let (node, listeners) = (node.clone(), listeners.to_vec());
        let connections = node.descriptors.connections_of(number).clone();
        let worker = Worker::start_in_arbiter(&arbiter, |_| Worker::new(node, listeners));
        Ok(Self { arbiter, worker, connections })
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Lets `acceptor` live here, and keep `open`, until `until`.
    pub fn accept(
        &self,
        acceptor: Acceptor,
        socket: net::TcpListener,
        until: CancellationToken,
        open: TaskTrackerToken,
    ) {
        self.worker.do_send(Accept { acceptor, socket, until, open }); // once for each listener
    }

    /// Serves a client on this very thread, which has come to `door`.
    pub fn serve(&self, client: TcpStream, peer: SocketAddr, door: &Rc<Door>) {
        serve(client, peer, door, &self.connections);
    }

    /// Takes a client from another thread, which has come to `listener`.
    pub fn take(&self, client: TcpStream, peer: SocketAddr, listener: usize) {
        match client.into_std() {
            Ok(client) => {
                let place = self.connections.token();
                self.worker.do_send(Arrival { listener, client, peer, place }); // bounded by file descriptors
            }
            Err(error) => complain(peer, &error),
        }
    }

    /// Takes no more clients.
    pub fn close(&self) {
        self.connections.close();
    }

    /// Resolves when it was closed, its last connection has ended, and the hub has heard all about it.
    pub async fn ended(&self) {
        self.connections.wait().await;
        let _ = self.worker.send(LastWord).await; // when it was ended, it says nothing
    }

    /// Ends it, and every connection that is left.
    pub fn end(&self) {
        self.arbiter.stop();
    }
}

impl Worker {
    fn new(node: Node, listeners: Vec<SocketAddr>) -> Self {
        Self { node, listeners, doors: Vec::new(), _guard: PanicGuard("worker") }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let doors = doors(self.node.clone(), self.listeners.clone());
        ctx.wait(doors.into_actor(self).map(|doors, worker, _| worker.doors = doors));
    }
}

impl Handler<Accept> for Worker {
    type Result = ();

    fn handle(&mut self, Accept { acceptor, socket, until, open }: Accept, _: &mut Self::Context) {
        let door = self.doors[acceptor.listener].clone();
        actix_rt::spawn(async move {
            acceptor.accept(socket, door, until).await;
            drop(open);
        });
    }
}

impl Handler<Arrival> for Worker {
    type Result = ();

    fn handle(&mut self, Arrival { listener, client, peer, place }: Arrival, _: &mut Self::Context) {
        match TcpStream::from_std(client) {
            Ok(client) => serve(client, peer, &self.doors[listener], place.task_tracker()),
            Err(error) => complain(peer, &error),
        }
    }
}

impl Handler<LastWord> for Worker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: LastWord, _: &mut Self::Context) -> Self::Result {
        self.node.worker().hub.flush();
        let answered = self.node.hub.send(Barrier);
        Box::pin(answered.map(|_| ())) // a hub that has ended has nothing to settle
    }
}

async fn doors(node: Node, listeners: Vec<SocketAddr>) -> Vec<Rc<Door>> {
    let doors = join_all(listeners.into_iter().map(|listener| Door::new(&node, listener))).await;
    doors.into_iter().map(|door| Rc::new(door.expect("an App that needs nothing to start"))).collect()
}

/// Serves a client on this thread to its end, counted in `connections`.
fn serve(client: TcpStream, peer: SocketAddr, door: &Rc<Door>, connections: &TaskTracker) {
    actix_rt::spawn(connections.track_future(door.opens(client, peer)));
}

/// The kernel has no room for one socket more to wait for.
fn complain(peer: SocketAddr, error: &io::Error) {
    error!(target: COMPLAINT, "cannot serve {peer}: {error}");
}

fn runtime(readers: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(readers).build()
}
