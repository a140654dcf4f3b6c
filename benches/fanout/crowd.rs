//! Many clients in one thread, connected in batches and read in bulk.

use crate::{
    client::{Client, Greeting},
    frame,
    peer::Peer,
    server::{PATIENCE, Server},
};
use anyhow::{bail, ensure};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Who is in a crowd.
#[derive(Clone, Copy, Debug)]
pub struct Guests {
    pub rooms: usize,
    pub first_room: usize,
    pub in_each: usize,
    pub compressed: bool,
}

impl Guests {
    pub const fn of(rooms: usize, in_each: usize) -> Self {
        Self { rooms, first_room: 0, in_each, compressed: false }
    }
}

pub struct Crowd {
    pub clients: Vec<Client>,
    /// Of what is said, once that is settled.
    pub lengths: Lengths,
    guests: Guests,
    pub buffer: Vec<u8>,
}

/// The least and the greatest number of bytes with which a message may be heard.
#[derive(Clone, Copy, Debug)]
pub struct Lengths(usize, usize);

impl Lengths {
    pub fn are_right_for(self, length: usize) -> bool {
        (self.0..=self.1).contains(&length)
    }
}

/// Connections that are opened at once: below every server's backlog.
pub const BATCH: usize = 64;
const READ_SIZE: usize = 256 << 10;

impl Crowd {
    pub fn gather(server: &Server, peer: Peer, guests: Guests) -> anyhow::Result<Self> {
        let mut crowd = Self::empty(guests);
        crowd.admit(server, peer, guests.rooms * guests.in_each)?;
        Ok(crowd)
    }

    /// Nobody yet; `guests` are still to be admitted.
    pub fn empty(guests: Guests) -> Self {
        Self { clients: Vec::new(), lengths: Lengths(0, 0), guests, buffer: vec![0; READ_SIZE] }
    }

    /// Lets in `count` more clients. Those of a room come together.
    pub fn admit(&mut self, server: &Server, peer: Peer, count: usize) -> anyhow::Result<()> {
        let Guests { first_room, in_each, compressed, .. } = self.guests;
        let end = self.clients.len() + count;
        while self.clients.len() < end {
            let batch = self.clients.len()..end.min(self.clients.len() + BATCH);
            let greeting = |client: usize| Greeting { peer, room: first_room + client / in_each, compressed };
            let knocks =
                batch.clone().map(|client| Client::knock(server.address(), greeting(client), client));
            let mut clients = knocks.collect::<anyhow::Result<Vec<_>>>()?;
            server.rest()?;
            for (client, number) in clients.iter_mut().zip(batch) {
                client.is_admitted(greeting(number))?;
            }
            self.clients.append(&mut clients);
        }
        Ok(())
    }

    /// Returns when `text`, said once in each room, is heard once by everybody, and by nobody twice.
    pub fn settle(&mut self, text: &str) -> anyhow::Result<()> {
        let message = frame::text(text.as_bytes());
        for _ in 0..10 {
            self.forget();
            self.say(&message, 1)?;
            let heard = self.drain()?;
            if self.all_heard(1) {
                self.forget();
                return self.agree(text.len(), heard);
            }
        }
        let deaf = self.clients.iter().filter(|client| client.heard != 1).count();
        bail!("{deaf} of {} clients do not hear one message once", self.clients.len());
    }

    /// The first `speakers` of each room say `frames`.
    pub fn say(&mut self, frames: &[u8], speakers: usize) -> anyhow::Result<()> {
        let rooms = self.clients.chunks_mut(self.guests.in_each);
        rooms.flat_map(|room| &mut room[..speakers]).try_for_each(|speaker| speaker.say(frames))
    }

    /// Reads, in bulk, until everybody has heard `messages` more.
    pub fn hear_all(&mut self, messages: usize) -> anyhow::Result<()> {
        let (began, lengths) = (Instant::now(), self.lengths);
        let is_right = |length| lengths.are_right_for(length);
        loop {
            let mut missing = 0;
            for client in &mut self.clients {
                while client.heard < messages && client.hear(&mut self.buffer, is_right)? {}
                missing += usize::from(client.heard < messages);
            }
            if missing == 0 {
                break;
            }
            ensure!(began.elapsed() < PATIENCE, "{missing} of {} clients miss messages", self.clients.len());
            sleep(Duration::from_micros(200));
        }
        ensure!(self.all_heard(messages), "a client heard too much");
        self.forget();
        Ok(())
    }

    /// Reads what comes to those who are told nothing.
    pub fn answer_pings(&mut self) -> anyhow::Result<()> {
        self.clients.iter_mut().try_for_each(|client| client.hear(&mut self.buffer, |_| false).map(drop))
    }

    /// Starts to count anew.
    pub fn forget(&mut self) {
        self.clients.iter_mut().for_each(|client| client.heard = 0);
    }

    /// Reads until nothing has come for a while; the shortest and the longest message.
    fn drain(&mut self) -> anyhow::Result<Lengths> {
        const QUIET: Duration = Duration::from_millis(100);
        let (mut last, mut lengths) = (Instant::now(), Lengths(usize::MAX, 0));
        while last.elapsed() < QUIET {
            sleep(Duration::from_millis(5));
            let mut anything = false;
            for client in &mut self.clients {
                let note = |length: usize| {
                    lengths = Lengths(length.min(lengths.0), length.max(lengths.1));
                    true
                };
                anything |= client.hear(&mut self.buffer, note)?;
            }
            if anything {
                last = Instant::now(); // looking at all of them may itself take long
            }
        }
        Ok(lengths)
    }

    /// From now on what is heard is as long as what was said, or shorter where it is compressed.
    fn agree(&mut self, said: usize, heard: Lengths) -> anyhow::Result<()> {
        self.lengths = if self.guests.compressed { Lengths(1, said - 1) } else { Lengths(said, said) };
        let right = self.lengths.are_right_for(heard.0) && self.lengths.are_right_for(heard.1);
        ensure!(right, "{said} bytes are heard as {heard:?}");
        Ok(())
    }

    fn all_heard(&self, messages: usize) -> bool {
        self.clients.iter().all(|client| client.heard == messages)
    }
}
