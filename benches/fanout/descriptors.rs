//! How many connections may be open at once.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process needs for its own files.
const OWN: usize = 500;

/// Raises the limit of open files as far as this user may, for the servers too; how many connections fit.
pub fn raise() -> anyhow::Result<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("the limit of open files")?;
    Ok(allowed())
}

/// How many connections fit.
pub fn allowed() -> usize {
    let descriptors =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |descriptors| descriptors as usize);
    descriptors.saturating_sub(OWN)
}
