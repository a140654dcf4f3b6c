//! The settings that only a start can set.

use crate::{
    config::{AdminSettings, BackplaneSettings, PageSettings, Secret, Settings},
    limits::PoolSizes,
};
use std::{net::SocketAddr, path::PathBuf};

/// The settings that hold from the start of a server to its end, as they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Startup {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The addresses to listen on for operators.
    pub admin_listen: Vec<SocketAddr>,
    /// The number of worker threads; 0 means one per core.
    pub workers: usize,
    /// The directory of the page; empty for the page in the program.
    pub page_directory: PathBuf,
    /// The secret of session tokens; empty for a random one, or for that of the backplane.
    pub secret: Secret,
    /// The server that makes the order of several nodes, if there is one.
    pub backplane: BackplaneSettings,
    /// The configured sizes of the pools that all clients share. Those in use are in
    /// [`Limits`](crate::limits::Limits), and may be larger.
    pub pools: PoolSizes,
}

impl Startup {
    /// The settings that `settings` have for the start. [`Policy::new`](super::Policy::new) takes
    /// the sections apart that have keys of both.
    pub fn new(settings: &Settings) -> Self {
        let Settings {
            listen,
            workers,
            page: PageSettings { directory },
            rooms: _,   // see `Policy`
            history: _, // see `Policy`
            publish: _, // see `Policy`
            session,
            limits,
            origins: _,     // see `Policy`
            compression: _, // see `Policy`
            backplane,
            shutdown: _, // see `Policy`
            log: _,      // see `Policy`
            admin: AdminSettings { listen: admin_listen },
        } = settings;
        Self {
            listen: listen.clone(),
            admin_listen: admin_listen.clone(),
            workers: *workers,
            page_directory: directory.clone(),
            secret: session.secret.clone(),
            backplane: backplane.clone(),
            pools: PoolSizes {
                in_flight: limits.in_flight_bytes.bytes(),
                bodies: limits.body_bytes.bytes(),
                answers: limits.answer_bytes.bytes(),
            },
        }
    }
}
