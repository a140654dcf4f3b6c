//! The set of worker threads: their start, their acceptors, and their end.

use super::{acceptor::Acceptor, context::ServerContext, listener::Bound, worker::WorkerHandle};
use crate::logging::TARGET;
use log::debug;
use std::{io, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The number of files that can be read at once, by all threads together.
const READERS: usize = 512;

/// The longest time for dropping the remaining connections.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The handle of all worker threads; cheap to clone.
#[derive(Clone)]
pub struct Workers {
    threads: Arc<[WorkerHandle]>,
    acceptors: TaskTracker,
    closing: CancellationToken,
}

impl Workers {
    /// Starts the configured number of threads, which serve all listeners.
    ///
    /// # Errors
    /// Fails if a thread cannot be started.
    pub fn start(listeners: Vec<Bound>, context: &ServerContext) -> io::Result<Self> {
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let number = number(context.shared.startup.workers);
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

    /// Closes the listeners; established connections stay open.
    pub fn close(&self) {
        self.closing.cancel();
        self.acceptors.close();
        for thread in &*self.threads {
            thread.close();
        }
    }

    /// Resolves after [`Workers::close`], when the last connection has ended and the hub has
    /// processed every command of all threads.
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

/// Returns the number of threads for the setting `workers`: one for each core if it is 0.
pub fn number(configured: usize) -> usize {
    match configured {
        0 => available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    }
}
