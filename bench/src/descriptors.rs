//! The limit of open files, which bounds the connections.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a process needs for its own files.
const OWN: usize = 500;

/// Raises the limit of open files to its maximum, for the servers too, and returns the number of
/// connections that fit.
pub fn raise() -> anyhow::Result<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("the limit of open files")?;
    Ok(allowed())
}

/// The number of connections that fit.
pub fn allowed() -> usize {
    let descriptors =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |descriptors| descriptors as usize);
    descriptors.saturating_sub(OWN)
}
