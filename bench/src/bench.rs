//! One server about to be measured.

use crate::{
    cores::{Cores, Share},
    peers::{Peer, Server, Setup},
};
use std::{path::PathBuf, time::Duration};

/// The duration and the number of measurements.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub rounds: usize,
    pub quick: bool,
}

/// A peer, the program that serves it, and where and for how long it is measured.
#[derive(Clone)]
pub struct Bench {
    pub peer: Peer,
    pub program: PathBuf,
    pub pace: Pace,
    pub cores: Cores,
}

impl Pace {
    /// The time before a measurement of CPU or rate, for just-in-time compilers.
    pub fn warm(self) -> Duration {
        Duration::from_millis(500) / self.divisor()
    }

    /// The time of one measurement of CPU or rate.
    pub fn measure(self) -> Duration {
        Duration::from_secs(1) / self.divisor()
    }

    /// The time of one measurement of latency.
    pub fn latency(self) -> Duration {
        Duration::from_secs(6) / self.divisor().min(3)
    }

    /// The time for which idle clients are measured.
    pub fn idle(self) -> Duration {
        Duration::from_secs(30) / self.divisor()
    }

    fn divisor(self) -> u32 {
        if self.quick { 10 } else { 1 }
    }
}

impl Bench {
    /// Starts the server, and returns when it accepts connections.
    pub fn start(&self, setup: Setup, share: Share) -> anyhow::Result<Server> {
        let command = |ports| self.peer.command(&self.program, setup, ports);
        Server::start(command, setup.cluster, self.cores, share)
    }
}
