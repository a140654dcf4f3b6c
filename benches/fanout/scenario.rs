//! What can be measured, and one measurement of it.

use crate::{
    client::FROM_ONE_ADDRESS,
    cores::{Cores, Share},
    cpu::{self, Load, Rooms},
    idle::{self, Door, Silence},
    latency::{self, Chatter, Talk},
    peer::{Peer, Setup},
    rate::{self, Hall, Question, Rate},
    server::Server,
    turns::{Party, take_turns},
};
use std::{path::PathBuf, time::Duration};

#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub measure: Measure,
    pub peers: &'static [Peer],
    /// The scenario that this one is compared with, for each peer.
    pub over: Option<&'static str>,
    /// Whether it is measured alone, as what it is compared with must be: no other server fits beside that.
    pub alone: bool,
}

#[derive(Clone, Copy)]
pub enum Measure {
    Cpu(Load),
    Conversation(Rate, Question),
    Latency(Chatter),
    Memory(Silence),
    Accept(Silence),
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
    /// The time before a measurement of CPU or rate, for compilers that watch a program run.
    pub warm: Duration,
    /// The time of one such measurement beside others.
    pub measure: Duration,
    /// The time of one measurement of latency.
    pub chat: Duration,
    /// The time for which clients are watched that say nothing.
    pub idle: Duration,
}

/// One peer in one scenario, about to be measured.
#[derive(Clone)]
pub struct Bench {
    pub scenario: Scenario,
    pub peer: Peer,
    pub program: PathBuf,
    pub pace: Pace,
    pub cores: Cores,
}

impl Pace {
    /// Longer for one alone, which has no others that are disturbed as it is.
    fn measured(self, at_once: usize) -> Duration {
        if at_once > 1 { self.measure } else { self.measure * 2 }
    }
}

impl Scenario {
    pub fn is_for(&self, peer: Peer) -> bool {
        self.peers.contains(&peer)
    }

    /// Those of `peers` that take part.
    pub fn peers_of(&self, peers: &[Peer]) -> impl Iterator<Item = Peer> {
        peers.iter().copied().filter(|peer| self.is_for(*peer))
    }

    /// Whether it is compared with `other`, or both with a third; where they are neighbours in the catalogue, they are
    /// measured together, as far as they fit.
    pub fn is_compared_with(&self, other: &Self) -> bool {
        self.over.is_some_and(|over| over == other.name || Some(over) == other.over)
    }

    /// How many servers are measured at once.
    fn at_once(&self, allowed: usize) -> usize {
        if self.alone { 1 } else { self.fitting(allowed) }
    }

    /// How many servers can be measured at once, of which each has all its clients: as many as so many connections
    /// suffice for, where that disturbs nobody.
    pub fn fitting(&self, allowed: usize) -> usize {
        match self.measure {
            // Deaf clients are cut off while others have their turn.
            Measure::Latency(Chatter { flood: true, .. } | Chatter { deaf: 1.., .. }) => 1,
            Measure::Cpu(_) | Measure::Conversation(..) | Measure::Latency(_) | Measure::Accept(_) => {
                (allowed.min(FROM_ONE_ADDRESS) / self.clients()).max(1)
            }
            _ => 1,
        }
    }

    pub fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Cpu(_) | Measure::Accept(_) => "µs",
            Measure::Conversation(_, Question::DeliveriesPerSecond) => "1/s",
            Measure::Latency(_) | Measure::Scrape(_) => "ms",
            Measure::Memory(_) => "bytes",
            Measure::IdleCpu(_) => "µs/s",
            Measure::Conversation(..) | Measure::Spread { .. } => "%",
        }
    }

    /// How many clients are connected at once.
    pub fn clients(&self) -> usize {
        match self.measure {
            Measure::Cpu(load) => load.guests.rooms * load.guests.in_each + load.idle,
            Measure::Conversation(rate, _) => rate.clients,
            Measure::Latency(chatter) => chatter.clients + chatter.deaf,
            Measure::Memory(silence) | Measure::Accept(silence) => silence.clients,
            Measure::IdleCpu(clients) | Measure::Scrape(clients) => clients,
            Measure::Spread { clients, .. } => clients,
        }
    }

    /// About how long one measurement lasts, for whoever waits.
    pub fn lasts(&self, pace: Pace) -> Duration {
        const START: Duration = Duration::from_millis(500);
        const CLIENT: Duration = Duration::from_micros(250); // to connect and to leave
        let besides = match self.measure {
            Measure::Cpu(_) | Measure::Conversation(..) => pace.warm,
            Measure::Memory(_) => Duration::from_secs(2),
            Measure::IdleCpu(_) => pace.idle,
            Measure::Latency(_) | Measure::Accept(_) | Measure::Scrape(_) => Duration::ZERO,
            Measure::Spread { .. } => Duration::from_secs(1),
        };
        let (_, turns) = self.turns(pace, if self.alone { 1 } else { 2 });
        START + CLIENT * self.clients() as u32 + besides + turns
    }

    /// The length of one turn, and of all turns of each, where so many are measured at once.
    fn turns(&self, pace: Pace, at_once: usize) -> (Duration, Duration) {
        let measured = pace.measured(at_once);
        match self.measure {
            Measure::Cpu(_) => (cpu::TURN, measured),
            Measure::Conversation(..) => (rate::TURN, measured),
            Measure::Accept(_) => (idle::TURN, measured),
            Measure::Latency(Chatter { flood, times, .. }) => {
                let time = pace.chat * times;
                (if flood { time } else { latency::TURN }, time) // a flood that pauses is none
            }
            Measure::Memory(_) | Measure::IdleCpu(_) | Measure::Scrape(_) | Measure::Spread { .. } => {
                (Duration::ZERO, Duration::ZERO)
            }
        }
    }
}

/// How many servers are measured at once of scenarios that are compared with each other, all of one peer together.
pub fn at_once(compared: &[Scenario], allowed: usize) -> usize {
    let fitting = compared.iter().map(|scenario| scenario.at_once(allowed)).min().unwrap_or(1);
    (fitting - fitting % compared.len()).max(1)
}

/// One measurement of each, in [`Scenario::unit`]; all of them are measured in the same way.
pub fn run(benches: &[Bench]) -> Vec<anyhow::Result<f64>> {
    let Some(bench) = benches.first() else { return Vec::new() };
    let (turn, time) = bench.scenario.turns(bench.pace, benches.len());
    take_turns(benches, turn, time)
}

impl Bench {
    pub fn new(scenario: &Scenario, peer: Peer, pace: Pace, cores: Cores) -> Self {
        Self { scenario: scenario.clone(), peer, program: peer.program(), pace, cores }
    }

    /// The server with its clients, or, where it takes no turns, what it reached.
    pub fn party(&self) -> anyhow::Result<Box<dyn Party>> {
        Ok(match self.scenario.measure {
            Measure::Cpu(load) => Box::new(Rooms::fill(self, load)?),
            Measure::Conversation(rate, question) => Box::new(Hall::open(self, rate, question)?),
            Measure::Latency(chatter) => Box::new(Talk::begin(self, chatter)?),
            Measure::Accept(silence) => Box::new(Door::open(self, silence)?),
            Measure::Memory(silence) => Box::new(idle::memory(self, silence)?),
            Measure::IdleCpu(clients) => Box::new(idle::cpu(self, clients)?),
            Measure::Scrape(clients) => Box::new(idle::scrape(self, clients)?),
            Measure::Spread { clients, half_goes } => Box::new(idle::spread(self, clients, half_goes)?),
        })
    }

    pub fn start(&self, setup: Setup, share: Share) -> anyhow::Result<Server> {
        Server::start(self, setup, share)
    }

    pub fn start_simply(&self) -> anyhow::Result<Server> {
        self.start(Setup::SIMPLE, Share::OneEach)
    }
}
