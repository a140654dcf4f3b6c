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

/// The time in milliseconds within which 99 of 100 deliveries are made.
pub fn p99(bench: &Bench, chatter: Chatter) -> anyhow::Result<f64> {
    let server = bench.start(Setup { pace: chatter.pace, ..Setup::SIMPLE }, Share::OneEach)?;
    let clients = chatter.clients + usize::from(chatter.flood);
    let mut crowd = Crowd::gather(&server, bench.peer, Guests::of(1, clients))?;
    let text = bench.peer.message(&json(chatter.bytes));
    crowd.settle(&text)?;
    let _deaf = deaf_clients(&server, bench, chatter.deaf)?;
    let mut talk = Talk::new(chatter, crowd, &text)?;
    talk.run(bench.pace.chat * chatter.times)?;
    Ok(talk.percentile(0.99).as_secs_f64() * 1e3)
}

fn deaf_clients(server: &Server, bench: &Bench, count: usize) -> anyhow::Result<Vec<Client>> {
    let greeting = Greeting { peer: bench.peer, room: 0, compressed: false };
    let deaf = (0..count).map(|_| {
        let mut client = Client::deaf(server.address(), greeting)?;
        client.is_admitted(greeting)?;
        Ok(client)
    });
    deaf.collect()
}

struct Talk {
    chatter: Chatter,
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
    fn new(chatter: Chatter, crowd: Crowd, text: &str) -> anyhow::Result<Self> {
        Ok(Self {
            heard: vec![0; crowd.clients.len()],
            message: frame::text(text.as_bytes()),
            length: text.len(),
            said: Vec::new(),
            took: Vec::new(),
            flood: chatter.flood.then(|| Flood::before(text.len(), crowd.clients.len())),
            watched: Watched::new(crowd)?,
            chatter,
        })
    }

    fn run(&mut self, time: Duration) -> anyhow::Result<()> {
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
        Ok(())
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
            took.push(said[heard[client]].elapsed());
            heard[client] += 1;
            true
        })?;
        Ok(())
    }

    fn percentile(&mut self, share: f64) -> Duration {
        let at = (self.took.len() as f64 * share) as usize;
        *self.took.select_nth_unstable(at).1
    }
}
