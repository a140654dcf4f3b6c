//! A thread that serves connections, from the first request of each to its end: as the others see it, and the actor on it.

use super::{connection::ConnectionFactory, context::ServerContext};
use crate::{exit::PanicGuard, hub::Barrier, logging::REPEATING, relay::WorkerContext};
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
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// As the others see it.
pub struct WorkerHandle {
    arbiter: ArbiterHandle,
    pub(super) worker: Addr<Worker>,
    connections: TaskTracker,
}

pub(super) struct Worker {
    context: ServerContext,
    worker: Rc<WorkerContext>,
    listeners: Vec<SocketAddr>,
    /// One for each listener.
    factories: Vec<Rc<ConnectionFactory>>,
    _guard: PanicGuard,
}

/// Acceptor → worker of another thread: a client for you. Bounded by the file descriptors of the process.
#[derive(Message)]
#[rtype(result = "()")]
struct NewConnection {
    listener: usize,
    client: net::TcpStream,
    peer: SocketAddr,
    /// Counts the connection before it is served.
    counted: TaskTrackerToken,
}

/// Server → worker: nobody is connected any more. Answered when the hub has heard all that the thread had to tell.
#[derive(Message)]
#[rtype(result = "()")]
struct FlushToHub;

impl WorkerHandle {
    /// Starts the one of this `number`; so many files can be read at once.
    pub fn start(
        context: &ServerContext,
        number: usize,
        listeners: &[SocketAddr],
        readers: usize,
    ) -> io::Result<Self> {
        let arbiter = Arbiter::try_with_tokio_rt(move || runtime(readers))?.handle();
        let (context, listeners) = (context.clone(), listeners.to_vec());
        let connections = context.shared.limits.descriptors.connections_of(number).clone();
        let worker = Worker::start_in_arbiter(&arbiter, |_| Worker::new(context, listeners));
        Ok(Self { arbiter, worker, connections })
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Serves a client on this very thread, which has come to `factory`.
    pub fn serve(&self, client: TcpStream, peer: SocketAddr, factory: &Rc<ConnectionFactory>) {
        serve(client, peer, factory, &self.connections);
    }

    /// Takes a client from another thread, which has come to `listener`.
    pub fn send_connection(&self, client: TcpStream, peer: SocketAddr, listener: usize) {
        match client.into_std() {
            Ok(client) => {
                let counted = self.connections.token();
                self.worker.do_send(NewConnection { listener, client, peer, counted }); // bounded by file descriptors
            }
            Err(error) => log_serve_error(peer, &error),
        }
    }

    /// Takes no more clients.
    pub fn close(&self) {
        self.connections.close();
    }

    /// Resolves when it was closed, its last connection has ended, and the hub has heard all about it.
    pub async fn ended(&self) {
        self.connections.wait().await;
        let _ = self.worker.send(FlushToHub).await; // when it was ended, it says nothing
    }

    /// Ends it, and every connection that is left.
    pub fn end(&self) {
        self.arbiter.stop();
    }
}

impl Worker {
    fn new(context: ServerContext, listeners: Vec<SocketAddr>) -> Self {
        Self {
            worker: context.start_relay(),
            context,
            listeners,
            factories: Vec::new(),
            _guard: PanicGuard("worker"),
        }
    }

    /// What turns clients of this `listener` into sessions.
    pub(super) fn factory(&self, listener: usize) -> Rc<ConnectionFactory> {
        self.factories[listener].clone()
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let factories = factories(self.context.clone(), self.worker.clone(), self.listeners.clone());
        ctx.wait(factories.into_actor(self).map(|factories, worker, _| worker.factories = factories));
    }
}

impl Handler<NewConnection> for Worker {
    type Result = ();

    fn handle(
        &mut self,
        NewConnection { listener, client, peer, counted }: NewConnection,
        _: &mut Self::Context,
    ) {
        match TcpStream::from_std(client) {
            Ok(client) => serve(client, peer, &self.factories[listener], counted.task_tracker()),
            Err(error) => log_serve_error(peer, &error),
        }
    }
}

impl Handler<FlushToHub> for Worker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: FlushToHub, _: &mut Self::Context) -> Self::Result {
        self.worker.hub.flush();
        let answered = self.context.hub.send(Barrier);
        Box::pin(answered.map(|_| ())) // a hub that has ended has nothing to settle
    }
}

async fn factories(
    context: ServerContext,
    worker: Rc<WorkerContext>,
    listeners: Vec<SocketAddr>,
) -> Vec<Rc<ConnectionFactory>> {
    let factories = join_all(
        listeners.into_iter().map(|listener| ConnectionFactory::new(&context, worker.clone(), listener)),
    )
    .await;
    factories
        .into_iter()
        .map(|factory| Rc::new(factory.expect("an App that needs nothing to start")))
        .collect()
}

/// Serves a client on this thread to its end, counted in `connections`.
fn serve(client: TcpStream, peer: SocketAddr, factory: &Rc<ConnectionFactory>, connections: &TaskTracker) {
    actix_rt::spawn(connections.track_future(factory.accept(client, peer)));
}

/// The kernel has no room for one socket more to wait for.
fn log_serve_error(peer: SocketAddr, error: &io::Error) {
    error!(target: REPEATING, "cannot serve {peer}: {error}");
}

fn runtime(readers: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(readers).build()
}
