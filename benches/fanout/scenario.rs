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
use std::{ffi::OsStr, path::PathBuf, time::Duration};

#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub measure: Measure,
    pub peers: &'static [Peer],
    /// The scenario that this one is compared with, for each peer.
    pub over: Option<String>,
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
    pub quick: bool,
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
    /// The time before a measurement of CPU or rate, for compilers that watch a program run.
    pub fn warm(self) -> Duration {
        Duration::from_millis(500) / self.divisor()
    }

    /// The time of one such measurement.
    fn measure(self) -> Duration {
        Duration::from_secs(1) / self.divisor()
    }

    /// The time of one measurement of latency.
    fn chat(self) -> Duration {
        Duration::from_secs(6) / self.divisor().min(3)
    }

    /// The time for which clients are watched that say nothing.
    pub fn idle(self) -> Duration {
        Duration::from_secs(30) / self.divisor()
    }

    fn divisor(self) -> u32 {
        if self.quick { 10 } else { 1 }
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
    /// measured together.
    pub fn is_compared_with(&self, other: &Self) -> bool {
        self.over.as_ref().is_some_and(|over| *over == other.name || other.over.as_ref() == Some(over))
    }

    /// Whether other servers can be measured at the same time.
    fn tolerates_others(&self) -> bool {
        match self.measure {
            _ if self.clients() > FROM_ONE_ADDRESS => false, // others would miss the ports of the next
            // While others have their turn, deaf clients are cut off, and a flood would pause.
            Measure::Latency(Chatter { flood, deaf, .. }) => !flood && deaf == 0,
            Measure::Cpu(_) | Measure::Conversation(..) | Measure::Accept(_) => true,
            Measure::Memory(_) | Measure::IdleCpu(_) | Measure::Scrape(_) | Measure::Spread { .. } => false,
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
            Measure::Cpu(_) | Measure::Conversation(..) => pace.warm(),
            Measure::Memory(_) => Duration::from_secs(2),
            Measure::IdleCpu(_) => pace.idle(),
            Measure::Latency(_) | Measure::Accept(_) | Measure::Scrape(_) => Duration::ZERO,
            Measure::Spread { .. } => Duration::from_secs(1),
        };
        let (_, turns) = self.turns(pace);
        START + CLIENT * self.clients() as u32 + besides + turns
    }

    /// The length of one turn, and of all turns of each.
    fn turns(&self, pace: Pace) -> (Duration, Duration) {
        match self.measure {
            Measure::Cpu(Load { at_length: true, .. }) => {
                let time = pace.measure() * 3;
                (cpu::LONG_TURN.min(time), time)
            }
            Measure::Cpu(_) => (cpu::TURN, pace.measure()),
            Measure::Conversation(..) => (rate::TURN, pace.measure()),
            Measure::Accept(_) => (idle::TURN, pace.measure()),
            Measure::Latency(Chatter { flood, times, .. }) => {
                let time = pace.chat() * times;
                (if flood { time } else { latency::TURN }, time) // a flood that pauses is none
            }
            Measure::Memory(_) | Measure::IdleCpu(_) | Measure::Scrape(_) | Measure::Spread { .. } => {
                (Duration::ZERO, Duration::ZERO)
            }
        }
    }
}

/// Those of `peers`' benches in `compared` that are measured at once: all of one peer together, and of other peers as well
/// where all of that can begin before the first clients have waited too long for their turn.
pub fn at_once(compared: &[Scenario], peers: Vec<Vec<Bench>>) -> Vec<Vec<Bench>> {
    const CLIENTS: usize = 40_000;
    if !compared.iter().all(Scenario::tolerates_others) {
        return peers.into_iter().flatten().map(|bench| vec![bench]).collect();
    }
    let clients: usize = compared.iter().map(Scenario::clients).sum();
    let together = peers.chunks((CLIENTS / clients).max(1)).map(<[_]>::concat);
    together.filter(|benches| !benches.is_empty()).collect()
}

/// One measurement of each, in [`Scenario::unit`]; all of them are measured in the same way.
pub fn run(benches: &[Bench]) -> Vec<anyhow::Result<f64>> {
    let Some(bench) = benches.first() else { return Vec::new() };
    let (turn, time) = bench.scenario.turns(bench.pace);
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

    /// With which this program becomes its party.
    pub fn arguments(&self) -> Vec<&OsStr> {
        let mut arguments = vec!["--party".as_ref(), self.program.as_os_str()];
        arguments.extend([self.peer.name(), &self.scenario.name].map(OsStr::new));
        arguments.extend(self.pace.quick.then_some(OsStr::new("--quick")));
        arguments
    }

    pub fn start(&self, setup: Setup, share: Share) -> anyhow::Result<Server> {
        Server::start(self, setup, share)
    }

    pub fn start_simply(&self) -> anyhow::Result<Server> {
        self.start(Setup::SIMPLE, Share::OneEach)
    }
}
