//! The cost of clients without messages: to accept, to keep, to count.

use crate::{
    bench::Bench,
    clients::{BATCH, Clients, Layout, PolledClients, frame},
    cores::Share,
    party::Party,
    peers::{Cluster, Peer, Server, Setup},
    words::json,
};
use anyhow::{Context, ensure};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Clients that connect first, so that the cost of the first connection does not count.
const FIRST: usize = 100;

/// Clients that only keep their connections open.
#[derive(Clone, Copy, Debug)]
pub struct IdleClients {
    pub clients: usize,
    pub compressed: bool,
    pub workers: usize,
}

impl IdleClients {
    /// With one worker and without compression.
    pub const fn of(clients: usize) -> Self {
        Self { clients, compressed: false, workers: 1 }
    }

    /// Starts a server and connects its first clients.
    fn start(self, bench: &Bench) -> anyhow::Result<(Server, Clients)> {
        let Self { clients, compressed, workers } = self;
        let share = if workers > 1 { Share::Both } else { Share::OneEach };
        let server = bench.start(Setup { compressed, workers, ..Setup::SIMPLE }, share)?;
        let mut clients = Clients::empty(Layout { compressed, ..Layout::of(1, FIRST + clients) });
        clients.connect_more(&server, bench.peer, FIRST)?;
        clients.verify_delivery(&bench.peer.message(&json(1 << 10)))?;
        Ok((server, clients))
    }
}

/// Resident memory in bytes for each connection of `idle_clients`.
pub fn memory(bench: &Bench, idle_clients: IdleClients) -> anyhow::Result<f64> {
    let (server, mut clients) = idle_clients.start(bench)?;
    let before = settled_memory(&server)?;
    clients.connect_more(&server, bench.peer, idle_clients.clients)?;
    let after = settled_memory(&server)?;
    // All of them are still connected.
    clients.verify_delivery(&bench.peer.message(&json(1 << 10)))?;
    Ok(after.saturating_sub(before) as f64 / idle_clients.clients as f64)
}

pub const TURN: Duration = Duration::from_millis(100);

/// A server that accepts clients, batch by batch; at `max`, all but the first disconnect. The
/// figure is CPU time in µs for each connection, from SYN to the response.
pub struct AcceptParty {
    peer: Peer,
    max: usize,
    server: Server,
    clients: Clients,
    spent: Duration,
    accepted: usize,
}

impl AcceptParty {
    pub fn open(bench: &Bench, idle_clients: IdleClients) -> anyhow::Result<Self> {
        let (server, clients) = idle_clients.start(bench)?;
        let (peer, max, spent) = (bench.peer, idle_clients.clients, Duration::ZERO);
        Ok(Self { peer, max, server, clients, spent, accepted: 0 })
    }

    fn connect_more(&mut self) -> anyhow::Result<()> {
        if self.clients.list.len() + BATCH > self.max {
            self.clients.list.truncate(FIRST);
            self.server.wait_until_idle()?;
        }
        let before = self.server.cpu()?;
        self.clients.connect_more(&self.server, self.peer, BATCH)?;
        self.server.wait_until_idle()?;
        self.spent += self.server.cpu_since(before)?;
        self.accepted += BATCH;
        Ok(())
    }
}

impl Party for AcceptParty {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.connect_more()?;
        }
        Ok(())
    }

    fn figure(&mut self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.accepted as f64
    }
}

/// CPU time of the server in µs per second for each of `count` connections, which answer pings.
pub fn cpu(bench: &Bench, count: usize) -> anyhow::Result<f64> {
    let (server, mut clients) = IdleClients::of(count).start(bench)?;
    clients.connect_more(&server, bench.peer, count)?;
    let mut polled = PolledClients::new(clients)?;
    let (began, before) = (Instant::now(), server.cpu()?);
    while let Some(rest) = bench.pace.idle().checked_sub(began.elapsed()) {
        polled.receive(rest, |_, _| false)?; // no message is expected
    }
    let (spent, seconds) = (server.cpu_since(before)?, began.elapsed().as_secs_f64());
    Ok(spent.as_secs_f64() * 1e6 / (FIRST + count) as f64 / seconds)
}

/// CPU time of the server in ms for one response of `/metrics` with `count` sessions.
pub fn scrape(bench: &Bench, count: usize) -> anyhow::Result<f64> {
    const SCRAPES: u32 = 20;
    let (server, mut clients) = IdleClients::of(count).start(bench)?;
    clients.connect_more(&server, bench.peer, count)?;
    ensure!(server.scrape()?.contains("worldcast_"), "metrics of another program");
    server.wait_until_idle()?;
    let before = server.cpu()?;
    for _ in 0..SCRAPES {
        server.scrape()?;
    }
    server.wait_until_idle()?;
    Ok(server.cpu_since(before)?.as_secs_f64() * 1e3 / f64::from(SCRAPES))
}

/// Share in percent of the connections at the fuller of two workers, after `clients` have connected
/// and, with `half_goes`, a random half of them has disconnected.
pub fn spread(bench: &Bench, clients: usize, half_goes: bool) -> anyhow::Result<f64> {
    let server = bench.start(Setup { workers: 2, ..Setup::SIMPLE }, Share::Both)?;
    let mut clients = Clients::connect(&server, bench.peer, Layout::of(1, clients))?;
    clients.list.retain(|_| !half_goes || fastrand::bool());
    sleep(Duration::from_secs(1));
    server.wait_until_idle()?;
    let held = server.watched()?;
    let (max, all) = (held.iter().max(), held.iter().sum::<usize>());
    Ok(*max.context("its epoll sets are empty")? as f64 * 100.0 / all as f64)
}

/// Rooms with one member each and messages in their histories.
#[derive(Clone, Copy, Debug)]
pub struct Histories {
    pub rooms: usize,
    pub messages: usize,
    pub bytes: usize,
    pub cluster: Cluster,
}

/// Resident memory of the first node in bytes for each message in its histories.
pub fn histories(bench: &Bench, histories: Histories) -> anyhow::Result<f64> {
    let Histories { rooms, messages, bytes, cluster } = histories;
    let server = bench.start(Setup { cluster, ..Setup::SIMPLE }, Share::OneEach)?;
    let mut clients = Clients::connect(&server, bench.peer, Layout::of(rooms, 1))?;
    let text = bench.peer.message(&json(bytes));
    clients.verify_delivery(&text)?;
    let before = settled_memory(&server)?;
    let message = frame::text(text.as_bytes());
    for _ in 0..messages {
        clients.send(&message, 1)?;
        clients.receive_all(1)?;
    }
    let after = settled_memory(&server)?;
    Ok(after.saturating_sub(before) as f64 / (rooms * messages) as f64)
}

/// Resident memory, after a second for garbage collectors.
fn settled_memory(server: &Server) -> anyhow::Result<u64> {
    sleep(Duration::from_secs(1));
    server.wait_until_idle()?;
    server.memory()
}
