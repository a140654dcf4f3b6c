//! File descriptors: one for each client.

use super::workers;
use crate::{config::Settings, logging::TARGET};
use log::{debug, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the server needs beside its clients: listeners, its own threads, files.
const OWN: usize = 64;

/// What a worker thread needs to wait.
const EACH_WORKER: usize = 4;

/// Raises the soft limit to the hard one, and warns when that is too little for `limits.connections`.
pub fn raise_limit(settings: &Settings) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        warn!(target: TARGET, "cannot raise the limit of file descriptors: {error}");
    }
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
    let own = OWN + EACH_WORKER * workers::number(settings.workers);
    let clients = descriptors.saturating_sub(own as u64);
    if clients < settings.limits.connections as u64 {
        warn!(
            target: TARGET,
            "only {clients} clients can connect, not the {} of limits.connections: raise the hard limit of file \
             descriptors (`ulimit -Hn`, LimitNOFILE= in systemd), or lower limits.connections",
            settings.limits.connections
        );
    } else {
        debug!(target: TARGET, "{descriptors} file descriptors");
    }
}
