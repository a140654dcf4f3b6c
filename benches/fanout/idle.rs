//! What clients cost that say nothing: to let in, to keep, to count.

use crate::{
    cores::Share,
    cpu::json,
    crowd::{BATCH, Crowd, Guests},
    peer::{Peer, Setup},
    scenario::Bench,
    server::Server,
    turns::Party,
    watched::Watched,
};
use anyhow::{Context, ensure};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Clients that come first, so that what a server prepares for all does not count.
const FIRST: usize = 100;

/// Clients that only keep their connections.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    pub clients: usize,
    pub compressed: bool,
    pub workers: usize,
}

impl Silence {
    /// With one worker and without compression.
    pub const fn of(clients: usize) -> Self {
        Self { clients, compressed: false, workers: 1 }
    }

    /// A server with its first clients, and room for as many as are to come.
    fn begin(self, bench: &Bench) -> anyhow::Result<(Server, Crowd)> {
        let Self { clients, compressed, workers } = self;
        let share = if workers > 1 { Share::Both } else { Share::OneEach };
        let server = bench.start(Setup { compressed, workers, ..Setup::SIMPLE }, share)?;
        let mut crowd = Crowd::empty(Guests { compressed, ..Guests::of(1, FIRST + clients) });
        crowd.admit(&server, bench.peer, FIRST)?;
        crowd.settle(&bench.peer.message(&json(1 << 10)))?;
        Ok((server, crowd))
    }
}

/// Bytes of resident memory for each connection of `silence`.
pub fn memory(bench: &Bench, silence: Silence) -> anyhow::Result<f64> {
    let (server, mut crowd) = silence.begin(bench)?;
    let before = settled_memory(&server)?;
    crowd.admit(&server, bench.peer, silence.clients)?;
    let after = settled_memory(&server)?;
    crowd.settle(&bench.peer.message(&json(1 << 10)))?; // all of them are still there
    Ok(after.saturating_sub(before) as f64 / silence.clients as f64)
}

pub const TURN: Duration = Duration::from_millis(100);

/// A server that lets clients in, batch by batch; when `most` are there, all but the first go again: microseconds of its
/// CPU for each, from SYN to the answer.
pub struct Door {
    peer: Peer,
    most: usize,
    server: Server,
    crowd: Crowd,
    spent: Duration,
    accepted: usize,
}

impl Door {
    pub fn open(bench: &Bench, silence: Silence) -> anyhow::Result<Self> {
        let (server, crowd) = silence.begin(bench)?;
        let (peer, most, spent) = (bench.peer, silence.clients, Duration::ZERO);
        Ok(Self { peer, most, server, crowd, spent, accepted: 0 })
    }

    fn admit(&mut self) -> anyhow::Result<()> {
        if self.crowd.clients.len() + BATCH > self.most {
            self.crowd.clients.truncate(FIRST);
            self.server.rest()?;
        }
        let before = self.server.cpu()?;
        self.crowd.admit(&self.server, self.peer, BATCH)?;
        self.server.rest()?;
        self.spent += self.server.cpu_since(before)?;
        self.accepted += BATCH;
        Ok(())
    }
}

impl Party for Door {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.admit()?;
        }
        Ok(())
    }

    fn figure(&mut self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.accepted as f64
    }
}

/// Microseconds of the server's CPU for each of `clients` connections and second; they answer pings.
pub fn cpu(bench: &Bench, clients: usize) -> anyhow::Result<f64> {
    let (server, mut crowd) = Silence::of(clients).begin(bench)?;
    crowd.admit(&server, bench.peer, clients)?;
    let mut watched = Watched::new(crowd)?;
    let (began, before) = (Instant::now(), server.cpu()?);
    while let Some(rest) = bench.pace.idle().checked_sub(began.elapsed()) {
        watched.hear(rest, |_, _| false)?; // nobody says anything
    }
    let (spent, seconds) = (server.cpu_since(before)?, began.elapsed().as_secs_f64());
    Ok(spent.as_secs_f64() * 1e6 / (FIRST + clients) as f64 / seconds)
}

/// Milliseconds of the server's CPU to tell operators about `clients` sessions.
pub fn scrape(bench: &Bench, clients: usize) -> anyhow::Result<f64> {
    const SCRAPES: u32 = 20;
    let (server, mut crowd) = Silence::of(clients).begin(bench)?;
    crowd.admit(&server, bench.peer, clients)?;
    ensure!(server.scrape()?.contains("worldcast_"), "metrics of somebody else");
    server.rest()?;
    let before = server.cpu()?;
    for _ in 0..SCRAPES {
        server.scrape()?;
    }
    server.rest()?;
    Ok(server.cpu_since(before)?.as_secs_f64() * 1e3 / f64::from(SCRAPES))
}

/// Percent of all connections that the fuller of two workers holds, when `clients` have come, or when half of them,
/// whoever it be, have gone again.
pub fn spread(bench: &Bench, clients: usize, half_goes: bool) -> anyhow::Result<f64> {
    let server = bench.start(Setup { workers: 2, ..Setup::SIMPLE }, Share::Both)?;
    let mut crowd = Crowd::gather(&server, bench.peer, Guests::of(1, clients))?;
    crowd.clients.retain(|_| !half_goes || fastrand::bool());
    sleep(Duration::from_secs(1));
    server.rest()?;
    let held = server.watched()?;
    let (most, all) = (held.iter().max(), held.iter().sum::<usize>());
    Ok(*most.context("it watches nothing")? as f64 * 100.0 / all as f64)
}

/// Collectors of garbage get a moment.
fn settled_memory(server: &Server) -> anyhow::Result<u64> {
    sleep(Duration::from_secs(1));
    server.rest()?;
    server.memory()
}
