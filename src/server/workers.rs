//! All worker threads: how they start, who accepts for them, and how they end.

use super::{
    acceptor::Acceptor,
    door::Door,
    listener::Bound,
    node::Node,
    worker::{Accept, Arrival, LastWord, Worker, serve},
};
use actix::prelude::*;
use actix_rt::ArbiterHandle;
use std::{
    io,
    net::{self, SocketAddr},
    num::NonZero,
    rc::Rc,
    sync::Arc,
    thread::available_parallelism,
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Files that can be read at once, by all threads together.
const READERS: usize = 512;

/// Cheap to clone.
#[derive(Clone)]
pub struct Workers {
    threads: Arc<[Thread]>,
    acceptors: TaskTracker,
    closing: CancellationToken,
}

/// One of them, as the others see it.
pub struct Thread {
    arbiter: ArbiterHandle,
    worker: Addr<Worker>,
    connections: TaskTracker,
}

impl Workers {
    /// Serves all listeners on the configured number of threads.
    pub fn start(listeners: Vec<Bound>, node: &Node) -> io::Result<Self> {
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let number = number(node.settings.workers);
        let threads = (0..number).map(|_| Thread::start(node, &addresses, READERS.div_ceil(number)));
        let threads = threads.collect::<io::Result<_>>()?;
        let workers = Self { threads, acceptors: TaskTracker::new(), closing: CancellationToken::new() };
        for (listener, bound) in listeners.into_iter().enumerate() {
            workers.accept(listener, bound, node);
        }
        Ok(workers)
    }

    fn accept(&self, listener: usize, (socket, address): Bound, node: &Node) {
        let (threads, home) = (self.threads.clone(), listener % self.threads.len());
        let acceptor = Acceptor { listener, address, threads, home, metrics: node.metrics.clone() };
        let (until, open) = (self.closing.clone(), self.acceptors.token());
        self.threads[home].worker.do_send(Accept { acceptor, socket, until, open }); // once
    }

    /// Closes the listeners; those who are connected stay.
    pub fn close(&self) {
        self.closing.cancel();
        self.acceptors.close();
        for thread in &*self.threads {
            thread.connections.close();
        }
    }

    /// Resolves when they were closed, the last connection has ended, and the hub has heard all about it.
    pub async fn ended(&self) {
        self.acceptors.wait().await;
        for thread in &*self.threads {
            thread.connections.wait().await;
            let _ = thread.worker.send(LastWord).await; // a thread that was ended says nothing
        }
    }

    /// Ends the threads, and every connection that is left.
    pub fn end(&self) {
        for thread in &*self.threads {
            thread.arbiter.stop();
        }
    }
}

impl Thread {
    fn start(node: &Node, listeners: &[SocketAddr], readers: usize) -> io::Result<Self> {
        let arbiter = Arbiter::try_with_tokio_rt(move || runtime(readers))?.handle();
        let (node, listeners, connections) = (node.clone(), listeners.to_vec(), TaskTracker::new());
        let counted = connections.clone();
        let worker = Worker::start_in_arbiter(&arbiter, |_| Worker::new(node, listeners, counted));
        Ok(Self { arbiter, worker, connections })
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Serves a client of this very thread, which has come to `door`.
    pub fn serves(&self, client: TcpStream, peer: SocketAddr, door: &Rc<Door>) {
        serve(client, peer, door, &self.connections);
    }

    /// Gets a client from another thread, which has come to `listener`.
    pub fn is_sent(&self, client: net::TcpStream, peer: SocketAddr, listener: usize) {
        self.worker.do_send(Arrival { listener, client, peer, place: self.connections.token() });
    }
}

fn runtime(readers: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(readers).build()
}

fn number(configured: usize) -> usize {
    match configured {
        0 => available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    }
}
