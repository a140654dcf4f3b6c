//! One client that says all it can, and what the others hear of it.

use crate::{client::Client, cpu::json, frame};

/// Messages with lengths that go round, so that each tells which must come next.
pub struct Flood {
    lengths: Vec<usize>,
    frames: Vec<u8>,
    /// How much of `frames` has been said in this round.
    at: usize,
    /// How many messages each client has heard.
    heard: Vec<usize>,
}

/// How many messages have a length of their own.
const ROUND: usize = 32;

impl Flood {
    /// Messages shorter than `bytes`, for so many clients.
    pub fn before(bytes: usize, clients: usize) -> Self {
        let lengths: Vec<_> = (bytes - ROUND..bytes).collect();
        let round: Vec<_> = lengths.iter().flat_map(|length| frame::text(json(*length).as_bytes())).collect();
        Self { lengths, frames: round.repeat(32), at: 0, heard: vec![0; clients] }
    }

    /// Says as much as the server takes.
    pub fn pour(&mut self, client: &mut Client) -> anyhow::Result<()> {
        self.at += client.say_some(&self.frames[self.at..])?;
        self.at %= self.frames.len();
        Ok(())
    }

    /// Whether a message of `bytes` is the next one that `client` must hear.
    pub fn goes_on(&mut self, client: usize, bytes: usize) -> bool {
        let next = self.lengths[self.heard[client] % ROUND];
        self.heard[client] += 1;
        bytes == next
    }
}
