//! Deliveries per second of a server that always has a next message.

use crate::{
    bench::Bench,
    clients::{Clients, Layout, PolledClients, frame},
    cores::Share,
    party::Party,
    peers::{Cluster, DEADLINE, Server, Setup},
    words::json,
};
use anyhow::ensure;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A closed loop: the next message is sent when every client has received one.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub clients: usize,
    pub bytes: usize,
    pub in_flight: usize,
    /// The number of clients that take turns in publishing.
    pub publishers: usize,
    pub cluster: Cluster,
}

pub const TURN: Duration = Duration::from_millis(100);

/// The figure that is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    DeliveriesPerSecond,
    MessagesPerSecond,
    /// In percent of one core.
    CpuOfServer,
    CpuOfClient,
}

/// A server with a conversation, and the resources used in all turns.
pub struct RateParty {
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

impl RateParty {
    pub fn open(bench: &Bench, rate: Rate, question: Question) -> anyhow::Result<Self> {
        let server = bench.start(Setup { cluster: rate.cluster, ..Setup::SIMPLE }, Share::OneEach)?;
        let mut clients = Clients::connect(&server, bench.peer, Layout::of(1, rate.clients))?;
        let text = bench.peer.message(&json(rate.bytes));
        clients.verify_delivery(&text)?;
        let conversation = Conversation::new(rate, clients, frame::text(text.as_bytes()))?;
        let mut party = Self { question, conversation, server, taken: Taken::default() };
        party.take_turn(bench.pace.warm())?;
        Ok(Self { taken: Taken::default(), ..party })
    }
}

impl Party for RateParty {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        let Self { server, taken, conversation, .. } = self;
        let (began, servers, clients) = (Instant::now(), server.cpu()?, own_cpu());
        taken.deliveries += conversation.run(time)?;
        taken.time += began.elapsed();
        taken.server += server.cpu_since(servers)?;
        taken.client += own_cpu() - clients;
        server.wait_until_idle()
    }

    fn figure(&mut self) -> f64 {
        let Taken { deliveries, time, server, client } = &self.taken;
        let per_second = |what| what / time.as_secs_f64();
        match self.question {
            Question::DeliveriesPerSecond => per_second(*deliveries as f64),
            Question::MessagesPerSecond => {
                per_second(*deliveries as f64 / self.conversation.rate.clients as f64)
            }
            Question::CpuOfServer => per_second(server.as_secs_f64() * 100.0),
            Question::CpuOfClient => per_second(client.as_secs_f64() * 100.0),
        }
    }
}

/// CPU time of this thread.
fn own_cpu() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec as u64, tv_nsec as u32)
}

struct Conversation {
    rate: Rate,
    polled: PolledClients,
    message: Vec<u8>,
    sent: usize,
    /// The number of messages that each client has received.
    received: Vec<usize>,
    /// For each message in flight, the oldest first, the number of clients that have not received
    /// it.
    missing: VecDeque<usize>,
}

impl Conversation {
    fn new(rate: Rate, clients: Clients, message: Vec<u8>) -> anyhow::Result<Self> {
        let (polled, received) = (PolledClients::new(clients)?, vec![0; rate.clients]);
        Ok(Self { rate, polled, message, sent: 0, received, missing: VecDeque::new() })
    }

    /// Keeps messages in flight for `time`, receives all of them, and returns the number of
    /// deliveries.
    fn run(&mut self, time: Duration) -> anyhow::Result<usize> {
        let (began, mut deliveries) = (Instant::now(), 0);
        loop {
            if began.elapsed() < time {
                self.send()?;
            }
            if self.missing.is_empty() {
                return Ok(deliveries);
            }
            deliveries += self.receive()?;
        }
    }

    fn send(&mut self) -> anyhow::Result<()> {
        while self.missing.len() < self.rate.in_flight {
            let publisher = self.sent % self.rate.publishers;
            self.polled.clients.list[publisher].send(&self.message)?;
            self.sent += 1;
            self.missing.push_back(self.rate.clients);
        }
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<usize> {
        let Self { polled, received, missing, sent, .. } = self;
        let (done, mut deliveries) = (*sent - missing.len(), 0);
        let lengths = polled.clients.lengths;
        let anything = polled.receive(DEADLINE, |client, length| {
            let Some(missing) = missing.get_mut(received[client] - done) else { return false };
            *missing -= 1;
            received[client] += 1;
            deliveries += 1;
            lengths.contains(length)
        })?;
        ensure!(anything, "messages are missing");
        while missing.front() == Some(&0) {
            missing.pop_front();
        }
        Ok(deliveries)
    }
}
