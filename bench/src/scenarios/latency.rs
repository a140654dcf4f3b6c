//! Time from the write of a publisher to the read of each subscriber, and the clients that disturb
//! it.

use crate::{
    bench::Bench,
    clients::{Client, Clients, Flood, Layout, Opening, PolledClients, frame},
    cores::Share,
    party::Party,
    peers::{Cluster, DEADLINE, Server, Setup},
    words::json,
};
use anyhow::ensure;
use std::time::{Duration, Instant};

/// Clients that take turns in publishing, at a constant rate.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    pub clients: usize,
    pub bytes: usize,
    pub per_second: u32,
    /// The number of clients that take turns in publishing.
    pub publishers: usize,
    /// The number of further clients that never read.
    pub non_readers: usize,
    /// True if one more client publishes as fast as the server accepts.
    pub flood: bool,
    /// The server's limit of messages per second and client; 0 is no limit.
    pub pace: u32,
    /// The factor by which this is measured longer than others.
    pub times: u32,
    /// The deliveries in percent that are made within the time of the figure.
    pub percentile: usize,
    pub cluster: Cluster,
}

impl Traffic {
    pub const fn of(clients: usize, bytes: usize, per_second: u32) -> Self {
        Self {
            clients,
            bytes,
            per_second,
            publishers: 1,
            non_readers: 0,
            flood: false,
            pace: 0,
            times: 1,
            percentile: 99,
            cluster: Cluster::NONE,
        }
    }
}

/// Clients answer pings only during the turn of their server. With eight servers in random order,
/// 14 turns can come in between: less than the 10 s that worldcast waits for a pong.
pub const TURN: Duration = Duration::from_millis(500);

fn connect_non_readers(server: &Server, bench: &Bench, count: usize) -> anyhow::Result<Vec<Client>> {
    let opening = Opening { peer: bench.peer, room: 0, compressed: false };
    let non_readers = (0..count).map(|_| {
        let mut client = Client::non_reading(server.address(0), opening)?;
        client.finish_handshake(opening)?;
        Ok(client)
    });
    non_readers.collect()
}

/// A server and its clients. The figure is the time in ms within which the percentile of all
/// deliveries is made.
pub struct LatencyParty {
    server: Server,
    traffic: Traffic,
    _non_readers: Vec<Client>,
    polled: PolledClients,
    message: Vec<u8>,
    length: usize,
    /// The time at which each message was sent.
    sent: Vec<Instant>,
    /// The number of them that each client has received.
    received: Vec<usize>,
    took: Vec<Duration>,
    flood: Option<Flood>,
}

impl LatencyParty {
    pub fn open(bench: &Bench, traffic: Traffic) -> anyhow::Result<Self> {
        let setup = Setup { messages_per_second: traffic.pace, cluster: traffic.cluster, ..Setup::SIMPLE };
        let server = bench.start(setup, Share::OneEach)?;
        let count = traffic.clients + usize::from(traffic.flood);
        let mut clients = Clients::connect(&server, bench.peer, Layout::of(1, count))?;
        let text = bench.peer.message(&json(traffic.bytes));
        clients.verify_delivery(&text)?;
        Ok(Self {
            _non_readers: connect_non_readers(&server, bench, traffic.non_readers)?,
            received: vec![0; count],
            message: frame::text(text.as_bytes()),
            length: text.len(),
            sent: Vec::new(),
            took: Vec::new(),
            flood: traffic.flood.then(|| Flood::below(text.len(), count)),
            polled: PolledClients::new(clients)?,
            traffic,
            server,
        })
    }

    fn send(&mut self) -> anyhow::Result<()> {
        let publisher = self.sent.len() % self.traffic.publishers;
        self.sent.push(Instant::now());
        self.polled.clients.list[publisher].send(&self.message)
    }

    fn flood(&mut self) -> anyhow::Result<()> {
        match (&mut self.flood, self.polled.clients.list.last_mut()) {
            (Some(flood), Some(client)) => flood.send(client),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let Self { polled, received, sent, took, length, flood, .. } = self;
        polled.receive(timeout, |client, bytes| {
            if bytes != *length {
                return flood.as_mut().is_some_and(|flood| flood.is_next(client, bytes));
            }
            let Some(begun) = sent.get(received[client]) else { return false };
            took.push(begun.elapsed());
            received[client] += 1;
            true
        })?;
        Ok(())
    }
}

impl Party for LatencyParty {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let pause = Duration::from_secs(1) / self.traffic.per_second;
        let (began, mut due) = (Instant::now(), Instant::now());
        while began.elapsed() < time {
            if due <= Instant::now() {
                self.send()?;
                due += pause;
            }
            self.flood()?;
            let timeout = if self.flood.is_some() { Duration::ZERO } else { due - Instant::now() };
            self.receive(timeout)?;
        }
        let ended = Instant::now();
        while self.took.len() < self.sent.len() * self.received.len() {
            ensure!(ended.elapsed() < DEADLINE, "messages are missing");
            self.receive(DEADLINE)?;
        }
        match self.flood {
            Some(_) => Ok(()), // many of its messages may still be in flight
            None => self.server.wait_until_idle(),
        }
    }

    fn figure(&mut self) -> f64 {
        let at = self.took.len() * self.traffic.percentile / 100;
        self.took.select_nth_unstable(at).1.as_secs_f64() * 1e3
    }
}
