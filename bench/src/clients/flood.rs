//! One client that sends without a pause, and the messages that the others receive from it.

use super::{Client, frame};
use crate::words::json;

/// Messages whose lengths repeat in a cycle, so that each identifies the next.
pub struct Flood {
    lengths: Vec<usize>,
    frames: Vec<u8>,
    /// The number of bytes of `frames` sent in this cycle.
    at: usize,
    /// The number of messages that each client has received.
    received: Vec<usize>,
}

/// The number of different lengths.
const ROUND: usize = 32;

impl Flood {
    /// Messages shorter than `bytes`, for this number of clients.
    pub fn below(bytes: usize, clients: usize) -> Self {
        let lengths: Vec<_> = (bytes - ROUND..bytes).collect();
        let round: Vec<_> = lengths.iter().flat_map(|length| frame::text(json(*length).as_bytes())).collect();
        Self { lengths, frames: round.repeat(32), at: 0, received: vec![0; clients] }
    }

    /// Sends as much as the server accepts.
    pub fn send(&mut self, client: &mut Client) -> anyhow::Result<()> {
        self.at += client.send_some(&self.frames[self.at..])?;
        self.at %= self.frames.len();
        Ok(())
    }

    /// True if a message of `bytes` is the next that `client` must receive.
    pub fn is_next(&mut self, client: usize, bytes: usize) -> bool {
        let next = self.lengths[self.received[client] % ROUND];
        self.received[client] += 1;
        bytes == next
    }
}
