//! How many deliveries a second the server makes when it never waits for the next message.

use crate::{
    cpu::json,
    crowd::{Crowd, Guests},
    frame,
    scenario::Bench,
    server::PATIENCE,
    watched::Watched,
};
use anyhow::ensure;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A closed loop: a message is followed by another when everybody has heard it.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub clients: usize,
    pub bytes: usize,
    pub in_flight: usize,
    /// How many clients take turns in speaking.
    pub speakers: usize,
}

/// Of the two, who is watched.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    Servers,
    Clients,
}

/// What a conversation made, and what it took.
struct Outcome {
    deliveries: usize,
    time: Duration,
    server: Duration,
    client: Duration,
}

/// Deliveries a second.
pub fn per_second(bench: &Bench, rate: Rate) -> anyhow::Result<f64> {
    let Outcome { deliveries, time, .. } = converse(bench, rate)?;
    Ok(deliveries as f64 / time.as_secs_f64())
}

/// How much of its core the server, or the client, needs meanwhile, in percent.
pub fn busy(bench: &Bench, rate: Rate, whose: Whose) -> anyhow::Result<f64> {
    let Outcome { time, server, client, .. } = converse(bench, rate)?;
    let busy = match whose {
        Whose::Servers => server,
        Whose::Clients => client,
    };
    Ok(busy.as_secs_f64() * 100.0 / time.as_secs_f64())
}

fn converse(bench: &Bench, rate: Rate) -> anyhow::Result<Outcome> {
    let server = bench.start_simply()?;
    let mut crowd = Crowd::gather(&server, bench.peer, Guests::of(1, rate.clients))?;
    let text = bench.peer.message(&json(rate.bytes));
    crowd.settle(&text)?;
    let mut conversation = Conversation::new(rate, crowd, frame::text(text.as_bytes()))?;
    conversation.run(bench.pace.warm)?;
    let (began, servers, clients) = (Instant::now(), server.cpu()?, own_cpu());
    let deliveries = conversation.run(bench.pace.measure)?;
    let (time, server, client) = (began.elapsed(), server.cpu_since(servers)?, own_cpu() - clients);
    Ok(Outcome { deliveries, time, server, client })
}

/// The time that this thread has spent on a core.
fn own_cpu() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec as u64, tv_nsec as u32)
}

struct Conversation {
    rate: Rate,
    watched: Watched,
    message: Vec<u8>,
    said: usize,
    /// How many messages each client has heard.
    heard: Vec<usize>,
    /// For each message under way, the oldest first, how many have not heard it.
    missing: VecDeque<usize>,
}

impl Conversation {
    fn new(rate: Rate, crowd: Crowd, message: Vec<u8>) -> anyhow::Result<Self> {
        let (watched, heard) = (Watched::new(crowd)?, vec![0; rate.clients]);
        Ok(Self { rate, watched, message, said: 0, heard, missing: VecDeque::new() })
    }

    /// Keeps the messages coming for `time`; how many deliveries that made.
    fn run(&mut self, time: Duration) -> anyhow::Result<usize> {
        let (began, mut deliveries) = (Instant::now(), 0);
        while began.elapsed() < time {
            self.say()?;
            deliveries += self.hear()?;
        }
        Ok(deliveries)
    }

    fn say(&mut self) -> anyhow::Result<()> {
        while self.missing.len() < self.rate.in_flight {
            let speaker = self.said % self.rate.speakers;
            self.watched.crowd.clients[speaker].say(&self.message)?;
            self.said += 1;
            self.missing.push_back(self.rate.clients);
        }
        Ok(())
    }

    fn hear(&mut self) -> anyhow::Result<usize> {
        let Self { watched, heard, missing, said, .. } = self;
        let (done, mut deliveries) = (*said - missing.len(), 0);
        let lengths = watched.crowd.lengths;
        let anything = watched.hear(PATIENCE, |client, length| {
            missing[heard[client] - done] -= 1;
            heard[client] += 1;
            deliveries += 1;
            lengths.are_right_for(length)
        })?;
        ensure!(anything, "messages are missing");
        while missing.front() == Some(&0) {
            missing.pop_front();
        }
        Ok(deliveries)
    }
}
