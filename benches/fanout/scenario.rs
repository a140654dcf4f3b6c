//! What can be measured, and one measurement of it.

use crate::{
    cores::{Cores, Share},
    cpu::{self, Load},
    idle::{self, Silence},
    latency::{self, Chatter},
    peer::{Peer, Setup},
    rate::{self, Rate},
    server::Server,
};
use std::time::Duration;

#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub measure: Measure,
    pub peers: &'static [Peer],
    /// The scenario that this one is compared with, for each peer.
    pub over: Option<&'static str>,
}

#[derive(Clone, Copy)]
pub enum Measure {
    Cpu(Load),
    Rate(Rate),
    Latency(Chatter),
    Memory(Silence),
    Accept(usize),
    IdleCpu(usize),
    Scrape(usize),
    /// Of so many clients over two workers; then half of them may go.
    Spread {
        clients: usize,
        half_goes: bool,
    },
}

/// How thoroughly is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub rounds: usize,
    /// The time of one measurement of CPU or rate.
    pub measure: Duration,
    /// The time of one measurement of latency.
    pub chat: Duration,
    /// The time for which clients are watched that say nothing.
    pub idle: Duration,
}

/// One peer, about to be measured.
pub struct Bench {
    pub peer: Peer,
    pub pace: Pace,
    pub cores: Cores,
}

impl Scenario {
    /// Those of `peers` that take part.
    pub fn peers_of(&self, peers: &[Peer]) -> impl Iterator<Item = Peer> {
        peers.iter().copied().filter(|peer| self.peers.contains(peer))
    }

    /// One measurement, in [`Scenario::unit`].
    pub fn run(&self, bench: &Bench) -> anyhow::Result<f64> {
        match self.measure {
            Measure::Cpu(load) => cpu::per_delivery(bench, load),
            Measure::Rate(rate) => rate::per_second(bench, rate),
            Measure::Latency(chatter) => latency::p99(bench, chatter),
            Measure::Memory(silence) => idle::memory(bench, silence),
            Measure::Accept(clients) => idle::accept(bench, clients),
            Measure::IdleCpu(clients) => idle::cpu(bench, clients),
            Measure::Scrape(clients) => idle::scrape(bench, clients),
            Measure::Spread { clients, half_goes } => idle::spread(bench, clients, half_goes),
        }
    }

    pub fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Cpu(_) | Measure::Accept(_) => "µs",
            Measure::Rate(_) => "1/s",
            Measure::Latency(_) | Measure::Scrape(_) => "ms",
            Measure::Memory(_) => "bytes",
            Measure::IdleCpu(_) => "µs/s",
            Measure::Spread { .. } => "%",
        }
    }

    /// About how long one measurement lasts, for whoever waits.
    pub fn lasts(&self, pace: Pace) -> Duration {
        const START: Duration = Duration::from_millis(500);
        const CLIENT: Duration = Duration::from_micros(250); // to connect and to leave
        let (clients, watched) = match self.measure {
            Measure::Cpu(load) => (load.guests.rooms * load.guests.in_each + load.idle, pace.measure * 5 / 4),
            Measure::Rate(rate) => (rate.clients, pace.measure * 5 / 4),
            Measure::Latency(chatter) => (chatter.clients + chatter.deaf, pace.chat * chatter.times),
            Measure::Memory(silence) => (silence.clients, Duration::from_secs(2)),
            Measure::IdleCpu(clients) => (clients, pace.idle),
            Measure::Accept(clients) | Measure::Scrape(clients) => (clients, Duration::ZERO),
            Measure::Spread { clients, .. } => (clients, Duration::from_secs(1)),
        };
        START + CLIENT * clients as u32 + watched
    }
}

impl Bench {
    pub fn start(&self, setup: Setup, share: Share) -> anyhow::Result<Server> {
        Server::start(self.peer, setup, share, self.cores)
    }

    pub fn start_simply(&self) -> anyhow::Result<Server> {
        self.start(Setup::SIMPLE, Share::OneEach)
    }
}
