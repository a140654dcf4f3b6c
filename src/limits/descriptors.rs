//! File descriptors: one for each client, and some that clients never get, so that operators are answered and files are
//! read when all places are taken.

use crate::{
    config::{LimitSettings, Settings},
    logging::TARGET,
};
use log::{debug, info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// What the server needs beside its clients: listeners, its own threads, operators.
const OWN: usize = 64;

/// Files of the page that can be open when all clients have come.
const FILES: usize = 32;

/// What a worker thread needs to wait.
const EACH_WORKER: usize = 4;

/// How many clients there can be, and what is open for them.
pub struct Descriptors {
    clients: usize,
    /// The connections of each worker thread.
    connections: Box<[TaskTracker]>,
    files: TaskTracker,
    shortage: Notify,
}

impl Descriptors {
    /// Raises the soft limit to the hard one.
    pub fn raise_limit(_: &Settings, workers: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        {
            warn!(target: TARGET, "cannot raise the limit of file descriptors: {error}");
        }
        let descriptors = getrlimit(Resource::Nofile).current;
        let descriptors = descriptors.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        debug!(target: TARGET, "{descriptors} file descriptors");
        Self::new(clients(descriptors, workers), workers)
    }

    /// Logs that `limits.connections` is more than there can be: a warning where an operator has chosen that number.
    pub fn report(&self, settings: &Settings) {
        let (clients, connections) = (self.clients, settings.limits.connections);
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

    /// The connections of a worker thread: every one in it counts.
    pub fn connections_of(&self, worker: usize) -> &TaskTracker {
        &self.connections[worker]
    }

    /// Whether there is a descriptor for one client more.
    pub fn suffice_for_client(&self) -> bool {
        self.open() < self.clients
    }

    /// Ends the connections that wait idly for another request, in favor of clients that wait to be accepted.
    pub fn report_shortage(&self) {
        self.shortage.notify_waiters();
    }

    /// Resolves at the next shortage.
    pub async fn run_short(&self) {
        self.shortage.notified().await;
    }

    /// The right to open a file for a client, until it is dropped; `None` when too many are open.
    pub fn file(&self) -> Option<TaskTrackerToken> {
        (self.open() < self.clients.saturating_add(FILES)).then(|| self.files.token())
    }

    fn open(&self) -> usize {
        self.connections.iter().map(TaskTracker::len).sum::<usize>() + self.files.len()
    }
}

/// How many clients a process with so many `descriptors` can have; a quarter of them where there are few.
fn clients(descriptors: usize, workers: usize) -> usize {
    descriptors.saturating_sub(OWN + FILES + EACH_WORKER * workers).max(descriptors / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_what_operators_and_files_need() {
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
    fn an_open_file_takes_the_place_of_a_client() {
        let descriptors = Descriptors::new(1, 1);
        let file = descriptors.file();
        assert!(!descriptors.suffice_for_client());
        drop(file);
        assert!(descriptors.suffice_for_client());
    }
}
