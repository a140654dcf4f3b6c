//! Many clients in one thread, connected in batches and read in bulk.

mod client; // one connection
mod flood; // a client that sends without a pause
pub mod frame; // frames, as far as clients need them
mod polled; // many connections, read as the kernel reports them

pub use client::{Client, MAX_PER_ADDRESS, Opening};
pub use flood::Flood;
pub use polled::PolledClients;

use crate::peers::{DEADLINE, Peer, Server};
use anyhow::{bail, ensure};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// The distribution of clients over rooms.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub rooms: usize,
    pub first_room: usize,
    pub in_each: usize,
    pub compressed: bool,
}

impl Layout {
    pub const fn of(rooms: usize, in_each: usize) -> Self {
        Self { rooms, first_room: 0, in_each, compressed: false }
    }
}

pub struct Clients {
    pub list: Vec<Client>,
    /// The expected lengths of messages, once delivery is verified.
    pub lengths: Lengths,
    layout: Layout,
    pub buffer: Vec<u8>,
}

/// The minimum and the maximum length of a message in bytes, both inclusive.
#[derive(Clone, Copy, Debug)]
pub struct Lengths(usize, usize);

impl Lengths {
    pub fn contains(self, length: usize) -> bool {
        (self.0..=self.1).contains(&length)
    }
}

/// The number of connections that are opened at once: below the backlog of every server.
pub const BATCH: usize = 64;
const READ_SIZE: usize = 256 << 10;

impl Clients {
    pub fn connect(server: &Server, peer: Peer, layout: Layout) -> anyhow::Result<Self> {
        let mut clients = Self::empty(layout);
        clients.connect_more(server, peer, layout.rooms * layout.in_each)?;
        Ok(clients)
    }

    /// No clients yet; `layout` is for those that connect later.
    pub fn empty(layout: Layout) -> Self {
        Self { list: Vec::new(), lengths: Lengths(0, 0), layout, buffer: vec![0; READ_SIZE] }
    }

    /// Connects `count` more clients, room by room.
    pub fn connect_more(&mut self, server: &Server, peer: Peer, count: usize) -> anyhow::Result<()> {
        let Layout { first_room, in_each, compressed, .. } = self.layout;
        let end = self.list.len() + count;
        while self.list.len() < end {
            let batch = self.list.len()..end.min(self.list.len() + BATCH);
            let opening = |client: usize| Opening { peer, room: first_room + client / in_each, compressed };
            let connections =
                batch.clone().map(|client| Client::connect(server.address(client), opening(client), client));
            let mut clients = connections.collect::<anyhow::Result<Vec<_>>>()?;
            server.wait_until_idle()?;
            for (client, number) in clients.iter_mut().zip(batch) {
                client.finish_handshake(opening(number))?;
            }
            self.list.append(&mut clients);
        }
        Ok(())
    }

    /// Publishes `text` once in each room until every client receives it exactly once.
    pub fn verify_delivery(&mut self, text: &str) -> anyhow::Result<()> {
        let message = frame::text(text.as_bytes());
        for _ in 0..10 {
            self.reset_counts();
            self.send(&message, 1)?;
            let received = self.drain()?;
            if self.all_received(1) {
                self.reset_counts();
                return self.set_expected_lengths(text.len(), received);
            }
        }
        let missing = self.list.iter().filter(|client| client.received != 1).count();
        bail!("{missing} of {} clients do not receive one message once", self.list.len());
    }

    /// The first `publishers` of each room send `frames`.
    pub fn send(&mut self, frames: &[u8], publishers: usize) -> anyhow::Result<()> {
        let rooms = self.list.chunks_mut(self.layout.in_each);
        rooms.flat_map(|room| &mut room[..publishers]).try_for_each(|publisher| publisher.send(frames))
    }

    /// Reads, in bulk, until every client has received `messages` more.
    pub fn receive_all(&mut self, messages: usize) -> anyhow::Result<()> {
        let (began, lengths) = (Instant::now(), self.lengths);
        let is_expected = |length| lengths.contains(length);
        loop {
            let mut missing = 0;
            for client in &mut self.list {
                while client.received < messages && client.receive(&mut self.buffer, is_expected)? {}
                missing += usize::from(client.received < messages);
            }
            if missing == 0 {
                break;
            }
            ensure!(began.elapsed() < DEADLINE, "{missing} of {} clients miss messages", self.list.len());
            sleep(Duration::from_micros(200));
        }
        ensure!(self.all_received(messages), "a client received too many messages");
        self.reset_counts();
        Ok(())
    }

    /// Reads from clients that receive no messages, so that they answer pings.
    pub fn answer_pings(&mut self) -> anyhow::Result<()> {
        self.list.iter_mut().try_for_each(|client| client.receive(&mut self.buffer, |_| false).map(drop))
    }

    /// Sets all counts of messages to zero.
    pub fn reset_counts(&mut self) {
        self.list.iter_mut().for_each(|client| client.received = 0);
    }

    /// Reads until no data has arrived for `QUIET`, and returns the lengths of the messages.
    fn drain(&mut self) -> anyhow::Result<Lengths> {
        const QUIET: Duration = Duration::from_millis(100);
        let (mut last, mut lengths) = (Instant::now(), Lengths(usize::MAX, 0));
        while last.elapsed() < QUIET {
            sleep(Duration::from_millis(5));
            let mut anything = false;
            for client in &mut self.list {
                let note = |length: usize| {
                    lengths = Lengths(length.min(lengths.0), length.max(lengths.1));
                    true
                };
                anything |= client.receive(&mut self.buffer, note)?;
            }
            if anything {
                last = Instant::now(); // one pass over all of them may itself take long
            }
        }
        Ok(lengths)
    }

    /// Expects every message to be as long as it was sent, or shorter where it is compressed.
    fn set_expected_lengths(&mut self, sent: usize, received: Lengths) -> anyhow::Result<()> {
        self.lengths = if self.layout.compressed { Lengths(1, sent - 1) } else { Lengths(sent, sent) };
        let right = self.lengths.contains(received.0) && self.lengths.contains(received.1);
        ensure!(right, "{sent} bytes are received as {received:?}");
        Ok(())
    }

    fn all_received(&self, messages: usize) -> bool {
        self.list.iter().all(|client| client.received == messages)
    }
}
