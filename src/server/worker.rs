//! A thread that serves connections, from the first request of each to its end.

use super::{acceptor::Acceptor, door::Door, node::Node};
use crate::{
    hub::Settle,
    logging::{COMPLAINT, PanicGuard},
};
use actix::prelude::*;
use futures_util::{FutureExt, future::join_all};
use log::error;
use std::{
    net::{self, SocketAddr},
    rc::Rc,
};
use tokio::net::TcpStream;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

pub struct Worker {
    node: Node,
    listeners: Vec<SocketAddr>,
    /// One for each listener.
    doors: Vec<Rc<Door>>,
    connections: TaskTracker,
    _guard: PanicGuard,
}

/// Server → worker: accept here, for all threads.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Accept {
    pub acceptor: Acceptor,
    pub socket: net::TcpListener,
    pub until: CancellationToken,
    /// Kept as long as it is listened to.
    pub open: TaskTrackerToken,
}

/// Acceptor → worker of another thread: a client for you. Bounded by the file descriptors of the process.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Arrival {
    pub listener: usize,
    pub client: net::TcpStream,
    pub peer: SocketAddr,
    /// Counts the connection before it is served.
    pub place: TaskTrackerToken,
}

/// Server → worker: nobody is connected any more. Answered when the hub has heard all that the thread had to tell.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LastWord;

impl Worker {
    /// Counts its connections in `connections`.
    pub fn new(node: Node, listeners: Vec<SocketAddr>, connections: TaskTracker) -> Self {
        Self { node, listeners, doors: Vec::new(), connections, _guard: PanicGuard("worker") }
    }
}

/// Serves a client on this thread to its end, counted in `connections`.
pub fn serve(client: TcpStream, peer: SocketAddr, door: &Rc<Door>, connections: &TaskTracker) {
    actix_rt::spawn(connections.track_future(door.opens(client, peer)));
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
            until.run_until_cancelled(acceptor.accept(socket, door)).await;
            drop(open);
        });
    }
}

impl Handler<Arrival> for Worker {
    type Result = ();

    fn handle(&mut self, Arrival { listener, client, peer, place: _place }: Arrival, _: &mut Self::Context) {
        match TcpStream::from_std(client) {
            Ok(client) => serve(client, peer, &self.doors[listener], &self.connections),
            Err(error) => error!(target: COMPLAINT, "cannot serve {peer}: {error}"),
        }
    }
}

impl Handler<LastWord> for Worker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: LastWord, _: &mut Self::Context) -> Self::Result {
        self.node.desk().hub.hand_over();
        let settled = self.node.hub.send(Settle);
        Box::pin(settled.map(|_| ())) // a hub that has ended has nothing to settle
    }
}

async fn doors(node: Node, listeners: Vec<SocketAddr>) -> Vec<Rc<Door>> {
    let doors = join_all(listeners.into_iter().map(|listener| Door::new(&node, listener))).await;
    doors.into_iter().map(|door| Rc::new(door.expect("an App that needs nothing to start"))).collect()
}
