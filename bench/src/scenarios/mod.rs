//! The scenarios: what is measured, of which peers, and for how long.

pub mod catalogue; // the list of scenarios
mod cpu; // CPU of a delivery
mod idle; // cost of clients without messages
mod latency; // time of a delivery
mod rate; // deliveries per second

use crate::{
    bench::{Bench, Pace},
    clients::MAX_PER_ADDRESS,
    cores::Cores,
    party::Party,
    peers::Peer,
};
use cpu::{DeliveryParty, Load};
use idle::{AcceptParty, Histories, IdleClients};
use latency::{LatencyParty, Traffic};
use rate::{Question, Rate, RateParty};
use std::time::Duration;

#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub measure: Measure,
    pub peers: &'static [Peer],
    /// The name of the scenario that this one is compared with, for each peer.
    pub over: Option<String>,
}

#[derive(Clone, Copy)]
pub enum Measure {
    Cpu(Load),
    Conversation(Rate, Question),
    Latency(Traffic),
    Memory(IdleClients),
    Accept(IdleClients),
    IdleCpu(usize),
    Scrape(usize),
    Histories(Histories),
    /// The distribution of clients over two workers; with `half_goes`, half of them disconnect.
    Spread {
        clients: usize,
        half_goes: bool,
    },
}

/// One peer in one scenario.
#[derive(Clone)]
pub struct Measurement {
    pub scenario: Scenario,
    pub bench: Bench,
}

impl Scenario {
    pub fn is_for(&self, peer: Peer) -> bool {
        self.peers.contains(&peer)
    }

    /// The peers of `peers` that take part.
    pub fn peers_of(&self, peers: &[Peer]) -> impl Iterator<Item = Peer> {
        peers.iter().copied().filter(|peer| self.is_for(*peer))
    }

    /// True if it is compared with `other`, or both with a third; neighbors in the catalogue are
    /// then measured together.
    pub fn is_compared_with(&self, other: &Self) -> bool {
        self.over.as_ref().is_some_and(|over| *over == other.name || other.over.as_ref() == Some(over))
    }

    /// True if other servers can be measured at the same time.
    fn tolerates_others(&self) -> bool {
        match self.measure {
            _ if self.clients() > MAX_PER_ADDRESS => false, // the next would have too few ports
            // During the turns of others, clients that do not read are disconnected, and a flood
            // pauses.
            Measure::Latency(Traffic { flood, non_readers, .. }) => !flood && non_readers == 0,
            Measure::Cpu(_) | Measure::Conversation(..) | Measure::Accept(_) => true,
            Measure::Memory(_)
            | Measure::IdleCpu(_)
            | Measure::Scrape(_)
            | Measure::Histories(_)
            | Measure::Spread { .. } => false,
        }
    }

    /// Starts the server and connects its clients; a scenario without turns is measured at once.
    pub fn open(&self, bench: &Bench) -> anyhow::Result<Box<dyn Party>> {
        Ok(match self.measure {
            Measure::Cpu(load) => Box::new(DeliveryParty::open(bench, load)?),
            Measure::Conversation(rate, question) => Box::new(RateParty::open(bench, rate, question)?),
            Measure::Latency(traffic) => Box::new(LatencyParty::open(bench, traffic)?),
            Measure::Accept(idle_clients) => Box::new(AcceptParty::open(bench, idle_clients)?),
            Measure::Memory(idle_clients) => Box::new(idle::memory(bench, idle_clients)?),
            Measure::IdleCpu(clients) => Box::new(idle::cpu(bench, clients)?),
            Measure::Scrape(clients) => Box::new(idle::scrape(bench, clients)?),
            Measure::Histories(histories) => Box::new(idle::histories(bench, histories)?),
            Measure::Spread { clients, half_goes } => Box::new(idle::spread(bench, clients, half_goes)?),
        })
    }

    pub fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Cpu(_) | Measure::Accept(_) => "µs",
            Measure::Conversation(_, Question::DeliveriesPerSecond | Question::MessagesPerSecond) => "1/s",
            Measure::Latency(_) | Measure::Scrape(_) => "ms",
            Measure::Memory(_) | Measure::Histories(_) => "bytes",
            Measure::IdleCpu(_) => "µs/s",
            Measure::Conversation(..) | Measure::Spread { .. } => "%",
        }
    }

    /// The number of clients that are connected at once.
    pub fn clients(&self) -> usize {
        match self.measure {
            Measure::Cpu(load) => load.layout.rooms * load.layout.in_each + load.idle,
            Measure::Conversation(rate, _) => rate.clients,
            Measure::Latency(traffic) => traffic.clients + traffic.non_readers,
            Measure::Memory(idle_clients) | Measure::Accept(idle_clients) => idle_clients.clients,
            Measure::IdleCpu(clients) | Measure::Scrape(clients) => clients,
            Measure::Histories(histories) => histories.rooms,
            Measure::Spread { clients, .. } => clients,
        }
    }

    /// The expected duration of one measurement.
    pub fn expected_duration(&self, pace: Pace) -> Duration {
        const START: Duration = Duration::from_millis(500);
        const CLIENT: Duration = Duration::from_micros(250); // to connect and to disconnect
        let besides = match self.measure {
            Measure::Cpu(_) | Measure::Conversation(..) => pace.warm(),
            Measure::Memory(_) => Duration::from_secs(2),
            Measure::Histories(_) => Duration::from_secs(5),
            Measure::IdleCpu(_) => pace.idle(),
            Measure::Latency(_) | Measure::Accept(_) | Measure::Scrape(_) => Duration::ZERO,
            Measure::Spread { .. } => Duration::from_secs(1),
        };
        let (_, turns) = self.turns(pace);
        START + CLIENT * self.clients() as u32 + besides + turns
    }

    /// The length of one turn, and of all turns of each peer.
    pub fn turns(&self, pace: Pace) -> (Duration, Duration) {
        match self.measure {
            Measure::Cpu(Load { at_length: true, .. }) => {
                let time = pace.measure() * 3;
                (cpu::LONG_TURN.min(time), time)
            }
            Measure::Cpu(_) => (cpu::TURN, pace.measure()),
            Measure::Conversation(..) => (rate::TURN, pace.measure()),
            Measure::Accept(_) => (idle::TURN, pace.measure()),
            Measure::Latency(Traffic { flood, times, .. }) => {
                let time = pace.latency() * times;
                (if flood { time } else { latency::TURN }, time) // a flood has no pauses
            }
            Measure::Memory(_)
            | Measure::IdleCpu(_)
            | Measure::Scrape(_)
            | Measure::Histories(_)
            | Measure::Spread { .. } => (Duration::ZERO, Duration::ZERO),
        }
    }
}

/// The measurements of `peers` in `compared`, in groups that run at the same time: all of one peer,
/// and those of other peers where all can start before the first clients have waited too long for
/// their turn.
pub fn at_once(compared: &[Scenario], peers: Vec<Vec<Measurement>>) -> Vec<Vec<Measurement>> {
    const CLIENTS: usize = 40_000;
    if !compared.iter().all(Scenario::tolerates_others) {
        return peers.into_iter().flatten().map(|measurement| vec![measurement]).collect();
    }
    let clients: usize = compared.iter().map(Scenario::clients).sum();
    let together = peers.chunks((CLIENTS / clients).max(1)).map(<[_]>::concat);
    together.filter(|measurements| !measurements.is_empty()).collect()
}

impl Measurement {
    pub fn new(scenario: &Scenario, peer: Peer, pace: Pace, cores: Cores) -> Self {
        let bench = Bench { peer, program: peer.program(), pace, cores };
        Self { scenario: scenario.clone(), bench }
    }
}
