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
    /// Messages that each speaker says, one behind the other.
    pub burst: usize,
    /// Whether it writes them all at once: client libraries write every message by itself.
    pub in_one_write: bool,
    /// Clients of each room that speak.
    pub speakers: usize,
    /// Other clients, each in a room of its own, that say nothing and hear nothing.
    pub idle: usize,
    pub workers: usize,
    pub share: Share,
    /// Whether turns are so long that caches are the server's own, even if it has few clients and another one many.
    pub at_length: bool,
}

impl Load {
    /// Clients of one room that hear 64 bytes at a time.
    pub const fn of(clients: usize) -> Self {
        let (guests, share) = (Guests::of(1, clients), Share::OneEach);
        Self {
            guests,
            bytes: 64,
            burst: 1,
            in_one_write: false,
            speakers: 1,
            idle: 0,
            workers: 1,
            share,
            at_length: false,
        }
    }

    pub const fn at_length(self) -> Self {
        Self { at_length: true, ..self }
    }
}

pub const TURN: Duration = Duration::from_millis(20);
/// Clients answer pings only while their server has its turn. Of eight servers in any order 14 can come in between, each a
/// message or two longer than this, which is less than the 10 seconds that worldcast waits for a pong.
pub const LONG_TURN: Duration = Duration::from_millis(250);

/// A server and everybody in their rooms: microseconds of its CPU for each delivery.
pub struct Rooms {
    load: Load,
    crowd: Crowd,
    others: Crowd,
    /// What each speaker writes, one behind the other.
    writes: Vec<Vec<u8>>,
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
        let message = frame::text(text.as_bytes());
        let writes =
            if load.in_one_write { vec![message.repeat(load.burst)] } else { vec![message; load.burst] };
        let (spent, deliveries) = (Duration::ZERO, 0);
        let mut rooms = Self { load, crowd, others, writes, server, spent, deliveries };
        rooms.take_turn(bench.pace.warm())?;
        Ok(Self { spent, deliveries, ..rooms })
    }

    /// How many deliveries that made.
    fn speak(&mut self) -> anyhow::Result<usize> {
        let Load { burst, speakers, guests, .. } = self.load;
        for write in &self.writes {
            self.crowd.say(write, speakers)?;
        }
        self.server.rest()?;
        self.crowd.hear_all(burst * speakers)?;
        Ok(burst * speakers * guests.rooms * guests.in_each)
    }
}

impl Party for Rooms {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        self.speak()?; // not counted: it finds caches as another server left them, and clients that owe a pong
        self.server.rest()?;
        let (began, before) = (Instant::now(), self.server.cpu()?);
        while began.elapsed() < time {
            self.deliveries += self.speak()?;
        }
        self.spent += self.server.cpu_since(before)?;
        self.others.answer_pings()?;
        self.server.rest()
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
