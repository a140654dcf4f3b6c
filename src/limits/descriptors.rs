//! Bounds the file descriptors that clients use: one for each connection, and one for each file of
//! the page being read.
//!
//! 96 descriptors and 4 per worker thread are kept from connections, so that operators are answered
//! and the page is read while clients use all others; 32 of the 96 are for files. At the bound,
//! connections wait to be accepted, idle kept-alive connections are closed, and a file that is
//! asked for is refused with 503 `busy`. There is no key: the bound is the hard limit of the
//! process. Metrics: `worldcast_accept_errors_total`, and `worldcast_refusals_total{reason="busy"}`
//! for files.

use crate::{config::LimitSettings, logging::TARGET};
use log::{debug, info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// Descriptors for listeners, for the server's own threads and for operators.
const OWN: usize = 64;

/// Files of the page that can be open while clients use all other descriptors.
const FILES: usize = 32;

/// Descriptors of the event loop of a worker thread.
const EACH_WORKER: usize = 4;

/// The descriptors that clients may use, and those in use.
pub struct Descriptors {
    /// Descriptors that clients may use.
    clients: usize,
    /// The connections of each worker thread.
    connections: Box<[TaskTracker]>,
    files: TaskTracker,
    shortage: Notify,
}

impl Descriptors {
    /// Raises the soft limit of the process to its hard limit.
    pub fn raise_limit(workers: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        {
            warn!(target: TARGET, "cannot raise the limit of file descriptors: {error}");
        }
        let descriptors = getrlimit(Resource::Nofile).current;
        let descriptors =
            descriptors.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        debug!(target: TARGET, "{descriptors} file descriptors");
        Self::new(clients(descriptors, workers), workers)
    }

    /// Logs that `connections`, the bound of `limits.connections`, is more than there can be: a
    /// warning where an operator has chosen that number.
    pub fn report(&self, connections: usize) {
        let clients = self.clients;
        if clients >= connections {
            return;
        }
        if connections == LimitSettings::default().connections {
            return info!(
                target: TARGET,
                "{clients} clients can connect, as many as file descriptors allow; limits.connections is {connections}"
            );
        }
        warn!(
            target: TARGET,
            "only {clients} clients can connect, not the {connections} of limits.connections: raise the hard limit of \
             file descriptors (`ulimit -Hn`, LimitNOFILE= in systemd), or lower limits.connections"
        );
    }

    fn new(clients: usize, workers: usize) -> Self {
        let connections = (0..workers).map(|_| TaskTracker::new()).collect();
        Self { clients, connections, files: TaskTracker::new(), shortage: Notify::new() }
    }

    /// Returns the tracker of the connections of a worker thread; each token of it counts as one
    /// descriptor.
    ///
    /// # Panics
    /// Panics if there is no such worker.
    pub fn connections_of(&self, worker: usize) -> &TaskTracker {
        &self.connections[worker]
    }

    /// Returns true if one more connection may be accepted.
    pub fn suffice_for_client(&self) -> bool {
        self.open() < self.clients
    }

    /// Closes the connections that idle between requests, in favor of connections that wait to be
    /// accepted.
    pub fn report_shortage(&self) {
        self.shortage.notify_waiters();
    }

    /// Resolves at the next shortage.
    pub async fn run_short(&self) {
        self.shortage.notified().await;
    }

    /// Acquires a permit to open a file for a client, held until the token is dropped; `None` if
    /// too many descriptors are in use.
    pub fn file(&self) -> Option<TaskTrackerToken> {
        (self.open() < self.clients.saturating_add(FILES)).then(|| self.files.token())
    }

    fn open(&self) -> usize {
        self.connections.iter().map(TaskTracker::len).sum::<usize>() + self.files.len()
    }
}

/// Returns how many of `descriptors` clients may use: all that the server does not need, but at
/// least a quarter.
fn clients(descriptors: usize, workers: usize) -> usize {
    descriptors.saturating_sub(OWN + FILES + EACH_WORKER * workers).max(descriptors / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_use_the_descriptors_of_operators_and_files() {
        assert_eq!(clients(1024, 2), 1024 - 104);
        assert_eq!(clients(100, 1), 25);
        let descriptors = Descriptors::new(2, 2);
        let _clients = [0, 1].map(|worker| descriptors.connections_of(worker).token());
        assert!(!descriptors.suffice_for_client());
        let files: Vec<_> = std::iter::from_fn(|| descriptors.file()).collect();
        assert_eq!(files.len(), FILES);
        drop(files);
        assert!(descriptors.file().is_some());
    }

    #[test]
    fn an_open_file_counts_as_a_client() {
        let descriptors = Descriptors::new(1, 1);
        let file = descriptors.file();
        assert!(!descriptors.suffice_for_client());
        drop(file);
        assert!(descriptors.suffice_for_client());
    }
}
