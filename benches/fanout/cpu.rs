//! What a delivery costs the server's CPU.
//!
//! The client waits until the server has written everything before it reads: reading on another
//! core meanwhile makes every write dearer, by chance more or less.

use crate::{
    cores::Share,
    crowd::{Crowd, Guests},
    frame,
    peer::Setup,
    scenario::Bench,
    server::Server,
};
use std::time::{Duration, Instant};

/// What is said, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub guests: Guests,
    pub bytes: usize,
    /// Messages that each speaker says at once.
    pub burst: usize,
    /// Clients of each room that speak.
    pub speakers: usize,
    /// Other clients, each in a room of its own, that say nothing and hear nothing.
    pub idle: usize,
    pub workers: usize,
    pub share: Share,
}

impl Load {
    /// Clients of one room that hear 64 bytes at a time.
    pub const fn of(clients: usize) -> Self {
        let (guests, share) = (Guests::of(1, clients), Share::OneEach);
        Self { guests, bytes: 64, burst: 1, speakers: 1, idle: 0, workers: 1, share }
    }
}

/// A server and everybody in their rooms.
pub struct Party {
    load: Load,
    crowd: Crowd,
    _others: Crowd,
    /// What a speaker says at once.
    burst: Vec<u8>,
    server: Server,
}

/// Microseconds of the server's CPU for each delivery.
pub fn per_delivery(bench: &Bench, load: Load) -> anyhow::Result<f64> {
    let mut party = Party::gather(bench, load)?;
    party.run(bench.pace.warm, 1)?;
    party.run(bench.pace.measure, 10)
}

impl Party {
    pub fn gather(bench: &Bench, load: Load) -> anyhow::Result<Self> {
        let setup = Setup { workers: load.workers, compressed: load.guests.compressed, ..Setup::SIMPLE };
        let server = bench.start(setup, load.share)?;
        let mut crowd = Crowd::gather(&server, bench.peer, load.guests)?;
        let others = Guests { first_room: load.guests.rooms, ..Guests::of(load.idle, 1) };
        let others = Crowd::gather(&server, bench.peer, others)?;
        let text = bench.peer.message(&json(load.bytes));
        crowd.settle(&text)?;
        let burst = frame::text(text.as_bytes()).repeat(load.burst);
        Ok(Self { load, crowd, _others: others, burst, server })
    }

    /// Microseconds of the server's CPU for each delivery, over so long a time and so many rounds.
    pub fn run(&mut self, time: Duration, least: usize) -> anyhow::Result<f64> {
        let (began, before, mut rounds) = (Instant::now(), self.server.cpu()?, 0);
        while began.elapsed() < time || rounds < least {
            self.round()?;
            rounds += 1;
        }
        let deliveries = rounds * self.deliveries();
        Ok(self.server.cpu_since(before)?.as_secs_f64() * 1e6 / deliveries as f64)
    }

    fn round(&mut self) -> anyhow::Result<()> {
        let Load { burst, speakers, .. } = self.load;
        self.crowd.say(&self.burst, speakers)?;
        self.server.rest()?;
        self.crowd.hear_all(burst * speakers)
    }

    fn deliveries(&self) -> usize {
        let Load { guests, burst, speakers, .. } = self.load;
        burst * speakers * guests.rooms * guests.in_each
    }
}

/// `bytes` bytes of what people send.
pub fn json(bytes: usize) -> String {
    const NAMES: [&str; 7] = ["anna", "bert", "carla", "dmitri", "eve", "fatima", "goro"];
    let row = |at: usize| {
        let (name, number) = (NAMES[at % 7], at * 7_919 % 10_007);
        format!(
            r#"{{"id":{number},"from":"{name}","price":{}.{:02},"open":{}}},"#,
            at * 37,
            at % 100,
            at.is_multiple_of(3)
        )
    };
    let mut text: String = (0..bytes / 40 + 1).map(row).collect();
    text.truncate(bytes);
    text
}
