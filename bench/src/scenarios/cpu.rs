//! CPU time of the server for each delivery, or for each message.
//!
//! The client reads only after the server has written everything: a client that reads on the other
//! core meanwhile makes every write dearer, by a varying amount.

use crate::{
    bench::Bench,
    clients::{Clients, Layout, frame},
    cores::Share,
    party::Party,
    peers::{Cluster, Part, Server, Setup},
    words::json,
};
use std::time::{Duration, Instant};

/// The messages, and the clients that receive them.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub layout: Layout,
    pub bytes: usize,
    /// Messages that each publisher sends in a row.
    pub burst: usize,
    /// True if one write carries all of them: client libraries write every message by itself.
    pub in_one_write: bool,
    /// Clients of each room that publish.
    pub publishers: usize,
    /// Other clients, each in a room of its own, without messages.
    pub idle: usize,
    pub workers: usize,
    pub share: Share,
    /// True if turns are so long that the caches hold one server's data, even if another has many
    /// more clients.
    pub at_length: bool,
    pub cluster: Cluster,
    /// The part whose CPU time counts.
    pub part: Part,
    /// True if it is divided by messages instead of deliveries.
    pub for_each_message: bool,
}

impl Load {
    /// Clients of one room that receive messages of 64 bytes.
    pub const fn of(clients: usize) -> Self {
        let (layout, share) = (Layout::of(1, clients), Share::OneEach);
        Self {
            layout,
            bytes: 64,
            burst: 1,
            in_one_write: false,
            publishers: 1,
            idle: 0,
            workers: 1,
            share,
            at_length: false,
            cluster: Cluster::NONE,
            part: Part::Nodes,
            for_each_message: false,
        }
    }

    pub const fn at_length(self) -> Self {
        Self { at_length: true, ..self }
    }
}

pub const TURN: Duration = Duration::from_millis(20);
/// Clients answer pings only during the turn of their server. With eight servers in random order,
/// 14 turns can come in between, each a message or two longer than this: less than the 10 s that
/// worldcast waits for a pong.
pub const LONG_TURN: Duration = Duration::from_millis(250);

/// A server and the clients of all rooms. The figure is CPU time in µs for each delivery or
/// message.
pub struct DeliveryParty {
    load: Load,
    clients: Clients,
    others: Clients,
    /// The writes of each publisher, in order.
    writes: Vec<Vec<u8>>,
    server: Server,
    spent: Duration,
    /// Deliveries or messages.
    count: usize,
}

impl DeliveryParty {
    pub fn open(bench: &Bench, load: Load) -> anyhow::Result<Self> {
        let Load { workers, cluster, layout: Layout { compressed, .. }, .. } = load;
        let setup = Setup { workers, compressed, cluster, ..Setup::SIMPLE };
        let server = bench.start(setup, load.share)?;
        let mut clients = Clients::connect(&server, bench.peer, load.layout)?;
        let others = Layout { first_room: load.layout.rooms, ..Layout::of(load.idle, 1) };
        let others = Clients::connect(&server, bench.peer, others)?;
        let text = bench.peer.message(&json(load.bytes));
        clients.verify_delivery(&text)?;
        let message = frame::text(text.as_bytes());
        let writes =
            if load.in_one_write { vec![message.repeat(load.burst)] } else { vec![message; load.burst] };
        let (spent, count) = (Duration::ZERO, 0);
        let mut rooms = Self { load, clients, others, writes, server, spent, count };
        rooms.take_turn(bench.pace.warm())?;
        Ok(Self { spent, count, ..rooms })
    }

    /// Publishes once from every publisher, and returns the number of deliveries or messages.
    fn publish(&mut self) -> anyhow::Result<usize> {
        let Load { burst, publishers, layout, for_each_message, .. } = self.load;
        for write in &self.writes {
            self.clients.send(write, publishers)?;
        }
        self.server.wait_until_idle()?;
        self.clients.receive_all(burst * publishers)?;
        let receivers = if for_each_message { 1 } else { layout.in_each };
        Ok(burst * publishers * layout.rooms * receivers)
    }
}

impl Party for DeliveryParty {
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        self.publish()?; // not counted: the caches are cold, and clients owe pongs
        self.server.wait_until_idle()?;
        let (began, before) = (Instant::now(), self.server.cpu_of(self.load.part)?);
        while began.elapsed() < time {
            self.count += self.publish()?;
        }
        self.spent += self.server.cpu_of_since(self.load.part, before)?;
        self.others.answer_pings()?;
        self.server.wait_until_idle()
    }

    fn figure(&mut self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.count as f64
    }
}
