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
    turns::Party,
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

pub const TURN: Duration = Duration::from_millis(20);

/// A server and everybody in their rooms: microseconds of its CPU for each delivery.
pub struct Rooms {
    load: Load,
    crowd: Crowd,
    _others: Crowd,
    /// What a speaker says at once.
    burst: Vec<u8>,
    server: Server,
    spent: Duration,
    deliveries: usize,
}

impl Rooms {
    pub fn fill(bench: &Bench, load: Load) -> anyhow::Result<Self> {
        let setup = Setup { workers: load.workers, compressed: load.guests.compressed, ..Setup::SIMPLE };
        let server = bench.start(setup, load.share)?;
        let mut crowd = Crowd::gather(&server, bench.peer, load.guests)?;
        let others = Guests { first_room: load.guests.rooms, ..Guests::of(load.idle, 1) };
        let others = Crowd::gather(&server, bench.peer, others)?;
        let text = bench.peer.message(&json(load.bytes));
        crowd.settle(&text)?;
        let burst = frame::text(text.as_bytes()).repeat(load.burst);
        let (spent, deliveries) = (Duration::ZERO, 0);
        let mut rooms = Self { load, crowd, _others: others, burst, server, spent, deliveries };
        rooms.take_turn(bench.pace.warm)?;
        Ok(Self { spent, deliveries, ..rooms })
    }

    fn speak(&mut self) -> anyhow::Result<()> {
        let Load { burst, speakers, guests, .. } = self.load;
        self.crowd.say(&self.burst, speakers)?;
        self.server.rest()?;
        self.crowd.hear_all(burst * speakers)?;
        self.deliveries += burst * speakers * guests.rooms * guests.in_each;
        Ok(())
    }
}

impl Party for Rooms {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let (began, before) = (Instant::now(), self.server.cpu()?);
        while began.elapsed() < time {
            self.speak()?;
        }
        self.spent += self.server.cpu_since(before)?;
        Ok(())
    }

    fn figure(&mut self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.deliveries as f64
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
