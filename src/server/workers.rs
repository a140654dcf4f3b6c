//! All worker threads: how they start, who accepts for them, and how they end.

use super::{acceptor::Acceptor, context::ServerContext, listener::Bound, worker::WorkerHandle};
use crate::logging::TARGET;
use log::debug;
use std::{io, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Files that can be read at once, by all threads together.
const READERS: usize = 512;

/// How long it may take to drop the connections that are left.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Workers {
    threads: Arc<[WorkerHandle]>,
    acceptors: TaskTracker,
    closing: CancellationToken,
}

impl Workers {
    /// Serves all listeners on the configured number of threads.
    pub fn start(listeners: Vec<Bound>, context: &ServerContext) -> io::Result<Self> {
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let number = number(context.shared.settings.workers);
        let threads = (0..number)
            .map(|worker| WorkerHandle::start(context, worker, &addresses, READERS.div_ceil(number)));
        let threads = threads.collect::<io::Result<_>>()?;
        debug!(target: TARGET, "{number} worker threads");
        let workers = Self { threads, acceptors: TaskTracker::new(), closing: context.closing.clone() };
        for (listener, bound) in listeners.into_iter().enumerate() {
            workers.accept(listener, bound, context);
        }
        Ok(workers)
    }

    fn accept(&self, listener: usize, (socket, address): Bound, context: &ServerContext) {
        let (threads, home) = (self.threads.clone(), listener % self.threads.len());
        let acceptor = Acceptor { listener, address, threads, home, shared: context.shared.clone() };
        self.threads[home].accept(acceptor, socket, self.closing.clone(), self.acceptors.token());
    }

    /// Closes the listeners; those who are connected stay.
    pub fn close(&self) {
        self.closing.cancel();
        self.acceptors.close();
        for thread in &*self.threads {
            thread.close();
        }
    }

    /// Resolves when they were closed, the last connection has ended, and the hub has heard all about it.
    pub async fn ended(&self) {
        self.acceptors.wait().await;
        for thread in &*self.threads {
            thread.ended().await;
        }
    }

    /// Ends the threads, and every connection that is left.
    pub async fn end(&self) {
        for thread in &*self.threads {
            thread.end();
        }
        let _ = timeout(END_WITHIN, self.ended()).await;
    }
}

/// How many threads the configuration means.
pub fn number(configured: usize) -> usize {
    match configured {
        0 => available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    }
}
