//! A worker thread, which serves connections from their first request to their end: the handle that
//! other threads hold, and the actor on it.

use super::{connection::ConnectionFactory, context::ServerContext};
use crate::{
    exit::PanicGuard,
    hub::Barrier,
    logging::{REPEATING, Subject},
    relay::WorkerContext,
    transport::{Detached, Transport},
};
use actix::prelude::*;
use actix_rt::ArbiterHandle;
use futures_util::{FutureExt, future::join_all};
use log::error;
use std::{io, net::SocketAddr, rc::Rc};
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// The handle of a worker thread.
pub struct WorkerHandle {
    arbiter: ArbiterHandle,
    pub(super) worker: Addr<Worker>,
    connections: TaskTracker,
}

pub(super) struct Worker {
    context: ServerContext,
    worker: Rc<WorkerContext>,
    listeners: Vec<SocketAddr>,
    /// The factories of connections, one for each listener.
    factories: Vec<Rc<ConnectionFactory>>,
    _guard: PanicGuard,
}

/// Acceptor → worker of another thread: a new connection. Bounded by the file descriptors of the
/// process.
#[derive(Message)]
#[rtype(result = "()")]
struct NewConnection {
    /// The index of the listener that accepted it.
    listener: usize,
    client: Detached,
    peer: Option<SocketAddr>,
    /// Counts the connection before it is served.
    counted: TaskTrackerToken,
}

/// Server → worker: flush. Answered when the hub has processed every command of this thread.
#[derive(Message)]
#[rtype(result = "()")]
struct FlushToHub;

impl WorkerHandle {
    /// Starts the worker of this `number`; `readers` is the number of threads for file reads.
    ///
    /// # Errors
    /// Fails if the thread cannot be started.
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

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Serves a connection on the calling thread, which is this worker's; `factory` is that of its
    /// listener.
    pub fn serve(&self, client: Transport, peer: Option<SocketAddr>, factory: &Rc<ConnectionFactory>) {
        serve(client, peer, factory, &self.connections);
    }

    /// Sends a connection, accepted by another thread, to this worker.
    pub fn send_connection(&self, client: Transport, peer: Option<SocketAddr>, listener: usize) {
        match client.detach() {
            Ok(client) => {
                let counted = self.connections.token();
                // Bounded by file descriptors.
                self.worker.do_send(NewConnection { listener, client, peer, counted });
            }
            Err(error) => log_serve_error(peer, &error),
        }
    }

    /// Lets [`WorkerHandle::ended`] resolve once the last connection has ended.
    pub fn close(&self) {
        self.connections.close();
    }

    /// Resolves after [`WorkerHandle::close`], when the last connection has ended and the hub has
    /// processed every command of this thread.
    pub async fn ended(&self) {
        self.connections.wait().await;
        // Fails if the thread was ended, which is no harm.
        let _ = self.worker.send(FlushToHub).await;
    }

    /// Ends the thread, and every connection that is left on it.
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

    /// Returns the factory for connections of this `listener`.
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
        match client.attach() {
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

/// Serves a connection on this thread to its end, counted in `connections`.
fn serve(
    client: Transport,
    peer: Option<SocketAddr>,
    factory: &Rc<ConnectionFactory>,
    connections: &TaskTracker,
) {
    actix_rt::spawn(connections.track_future(factory.accept(client, peer)));
}

/// Logs that a socket cannot be registered: the kernel has no memory for one more.
fn log_serve_error(peer: Option<SocketAddr>, error: &io::Error) {
    error!(target: REPEATING, "cannot serve a connection: {error}\t{}", Subject::request(peer, None));
}

/// Creates the runtime of one thread, with at most `readers` threads for file reads.
///
/// # Errors
/// Fails if the system has no event loop for it.
pub fn runtime(readers: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(readers).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ends_the_process;

    /// Test → worker: panic.
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Panic;

    impl Handler<Panic> for Worker {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Self::Context) {
            panic!("as it was told to");
        }
    }

    #[test]
    fn a_worker_that_panics_ends_the_process_with_its_own_code() {
        ends_the_process(
            "server::worker::tests::a_worker_that_panics_ends_the_process_with_its_own_code",
            async {
                let context = ServerContext::for_tests();
                let handle = WorkerHandle::start(&context, 0, &[], 1).unwrap();
                handle.worker.do_send(Panic);
            },
        );
    }
}
