//! How many deliveries a second the server makes when it never waits for the next message.

use crate::{
    cpu::json,
    crowd::{Crowd, Guests},
    frame,
    scenario::Bench,
    server::{PATIENCE, Server},
    turns::Party,
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

pub const TURN: Duration = Duration::from_millis(100);

/// What is asked of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    DeliveriesPerSecond,
    /// In percent of its core.
    CpuOfServer,
    CpuOfClient,
}

/// A server with a conversation, and what both took in all turns.
pub struct Hall {
    question: Question,
    conversation: Conversation,
    server: Server,
    taken: Taken,
}

#[derive(Default)]
struct Taken {
    deliveries: usize,
    time: Duration,
    server: Duration,
    client: Duration,
}

impl Hall {
    pub fn open(bench: &Bench, rate: Rate, question: Question) -> anyhow::Result<Self> {
        let server = bench.start_simply()?;
        let mut crowd = Crowd::gather(&server, bench.peer, Guests::of(1, rate.clients))?;
        let text = bench.peer.message(&json(rate.bytes));
        crowd.settle(&text)?;
        let conversation = Conversation::new(rate, crowd, frame::text(text.as_bytes()))?;
        let mut hall = Self { question, conversation, server, taken: Taken::default() };
        hall.take_turn(bench.pace.warm())?;
        Ok(Self { taken: Taken::default(), ..hall })
    }
}

impl Party for Hall {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let Self { server, taken, conversation, .. } = self;
        let (began, servers, clients) = (Instant::now(), server.cpu()?, own_cpu());
        taken.deliveries += conversation.run(time)?;
        taken.time += began.elapsed();
        taken.server += server.cpu_since(servers)?;
        taken.client += own_cpu() - clients;
        server.rest()
    }

    fn figure(&mut self) -> f64 {
        let Taken { deliveries, time, server, client } = &self.taken;
        let per_second = |what| what / time.as_secs_f64();
        match self.question {
            Question::DeliveriesPerSecond => per_second(*deliveries as f64),
            Question::CpuOfServer => per_second(server.as_secs_f64() * 100.0),
            Question::CpuOfClient => per_second(client.as_secs_f64() * 100.0),
        }
    }
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

    /// Keeps the messages coming for `time`, and hears them out; how many deliveries that made.
    fn run(&mut self, time: Duration) -> anyhow::Result<usize> {
        let (began, mut deliveries) = (Instant::now(), 0);
        loop {
            if began.elapsed() < time {
                self.say()?;
            }
            if self.missing.is_empty() {
                return Ok(deliveries);
            }
            deliveries += self.hear()?;
        }
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
            let Some(missing) = missing.get_mut(heard[client] - done) else { return false };
            *missing -= 1;
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
