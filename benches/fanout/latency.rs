//! How long a message takes from who says it to everybody who hears it, and who can spoil that.

use crate::{
    client::{Client, Greeting},
    cores::Share,
    cpu::json,
    crowd::{Crowd, Guests},
    flood::Flood,
    frame,
    peer::Setup,
    scenario::Bench,
    server::{PATIENCE, Server},
    turns::Party,
    watched::Watched,
};
use anyhow::ensure;
use std::time::{Duration, Instant};

/// Clients that take turns in saying something, at a steady pace.
#[derive(Clone, Copy, Debug)]
pub struct Chatter {
    pub clients: usize,
    pub bytes: usize,
    pub per_second: u32,
    /// How many clients take turns in speaking.
    pub speakers: usize,
    /// How many more never read.
    pub deaf: usize,
    /// Whether one more says other things, as fast as it is let.
    pub flood: bool,
    /// Messages that the server lets each say in a second; 0 is no limit.
    pub pace: u32,
    /// How many times longer than others this is measured.
    pub times: u32,
}

impl Chatter {
    pub const fn of(clients: usize, bytes: usize, per_second: u32) -> Self {
        Self { clients, bytes, per_second, speakers: 1, deaf: 0, flood: false, pace: 0, times: 1 }
    }
}

/// Clients answer pings only while their server has its turn. Of eight servers in any order 14 can come in between, which
/// is less than the 10 seconds that worldcast waits for a pong.
pub const TURN: Duration = Duration::from_millis(500);

fn deaf_clients(server: &Server, bench: &Bench, count: usize) -> anyhow::Result<Vec<Client>> {
    let greeting = Greeting { peer: bench.peer, room: 0, compressed: false };
    let deaf = (0..count).map(|_| {
        let mut client = Client::deaf(server.address(), greeting)?;
        client.is_admitted(greeting)?;
        Ok(client)
    });
    deaf.collect()
}

/// A server that talks: the time in milliseconds within which it makes 99 of 100 deliveries.
pub struct Talk {
    server: Server,
    chatter: Chatter,
    _deaf: Vec<Client>,
    watched: Watched,
    message: Vec<u8>,
    length: usize,
    /// When each message was said.
    said: Vec<Instant>,
    /// How many of them each client has heard.
    heard: Vec<usize>,
    took: Vec<Duration>,
    flood: Option<Flood>,
}

impl Talk {
    pub fn begin(bench: &Bench, chatter: Chatter) -> anyhow::Result<Self> {
        let server = bench.start(Setup { pace: chatter.pace, ..Setup::SIMPLE }, Share::OneEach)?;
        let clients = chatter.clients + usize::from(chatter.flood);
        let mut crowd = Crowd::gather(&server, bench.peer, Guests::of(1, clients))?;
        let text = bench.peer.message(&json(chatter.bytes));
        crowd.settle(&text)?;
        Ok(Self {
            _deaf: deaf_clients(&server, bench, chatter.deaf)?,
            heard: vec![0; clients],
            message: frame::text(text.as_bytes()),
            length: text.len(),
            said: Vec::new(),
            took: Vec::new(),
            flood: chatter.flood.then(|| Flood::before(text.len(), clients)),
            watched: Watched::new(crowd)?,
            chatter,
            server,
        })
    }

    fn say(&mut self) -> anyhow::Result<()> {
        let speaker = self.said.len() % self.chatter.speakers;
        self.said.push(Instant::now());
        self.watched.crowd.clients[speaker].say(&self.message)
    }

    fn flood(&mut self) -> anyhow::Result<()> {
        match (&mut self.flood, self.watched.crowd.clients.last_mut()) {
            (Some(flood), Some(client)) => flood.pour(client),
            _ => Ok(()),
        }
    }

    fn hear(&mut self, patience: Duration) -> anyhow::Result<()> {
        let Self { watched, heard, said, took, length, flood, .. } = self;
        watched.hear(patience, |client, bytes| {
            if bytes != *length {
                return flood.as_mut().is_some_and(|flood| flood.goes_on(client, bytes));
            }
            let Some(begun) = said.get(heard[client]) else { return false };
            took.push(begun.elapsed());
            heard[client] += 1;
            true
        })?;
        Ok(())
    }
}

impl Party for Talk {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let pause = Duration::from_secs(1) / self.chatter.per_second;
        let (began, mut due) = (Instant::now(), Instant::now());
        while began.elapsed() < time {
            if due <= Instant::now() {
                self.say()?;
                due += pause;
            }
            self.flood()?;
            let patience = if self.flood.is_some() { Duration::ZERO } else { due - Instant::now() };
            self.hear(patience)?;
        }
        let ended = Instant::now();
        while self.took.len() < self.said.len() * self.heard.len() {
            ensure!(ended.elapsed() < PATIENCE, "messages are missing");
            self.hear(PATIENCE)?;
        }
        match self.flood {
            Some(_) => Ok(()), // much of it may still be under way
            None => self.server.rest(),
        }
    }

    fn figure(&mut self) -> f64 {
        let at = self.took.len() * 99 / 100;
        self.took.select_nth_unstable(at).1.as_secs_f64() * 1e3
    }
}
