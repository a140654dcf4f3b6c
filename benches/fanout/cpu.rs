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
};
use std::time::Instant;

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

/// Microseconds of the server's CPU for each delivery.
pub fn per_delivery(bench: &Bench, load: Load) -> anyhow::Result<f64> {
    let setup = Setup { workers: load.workers, compressed: load.guests.compressed, ..Setup::SIMPLE };
    let server = bench.start(setup, load.share)?;
    let mut crowd = Crowd::gather(&server, bench.peer, load.guests)?;
    let others = Guests { first_room: load.guests.rooms, ..Guests::of(load.idle, 1) };
    let _others = Crowd::gather(&server, bench.peer, others)?;
    let text = bench.peer.message(&json(load.bytes));
    crowd.settle(&text)?;
    let burst = frame::text(text.as_bytes()).repeat(load.burst);
    let mut round = || {
        crowd.say(&burst, load.speakers)?;
        server.rest()?;
        crowd.hear_all(load.burst * load.speakers)
    };
    let warm = Instant::now();
    while warm.elapsed() < bench.pace.measure / 4 {
        round()?;
    }
    let (began, before, mut rounds) = (Instant::now(), server.cpu()?, 0);
    while began.elapsed() < bench.pace.measure || rounds < 10 {
        round()?;
        rounds += 1;
    }
    let deliveries = rounds * load.burst * load.speakers * load.guests.rooms * load.guests.in_each;
    Ok((server.cpu()? - before).as_secs_f64() * 1e6 / deliveries as f64)
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
