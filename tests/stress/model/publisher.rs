//! Messages of one client that no client has received yet.

use super::{Breach, Message, Promise, payload::Label};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The time that a message in flight may take after its publisher has disconnected.
const ON_ITS_WAY: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Publisher {
    undelivered: VecDeque<Published>,
    bytes: usize,
    numbers: u32,
    state: State,
}

pub struct Published {
    pub label: Label,
    pub message: Message,
    pub when: Instant,
    pub at: u64,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Here,
    /// All its messages must be received.
    Owed,
    /// Its messages may be received, or may never have arrived.
    Disconnected(Instant),
    /// All accepted messages were published before it was closed.
    Closed,
}

impl Publisher {
    /// The number of its next message.
    pub fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub fn publishes(&mut self, published: Published) {
        self.bytes += published.message.payload.len();
        self.undelivered.push_back(published);
    }

    /// The oldest message that no client has received, which `received` must be.
    pub fn is_delivered(&mut self, label: Label, received: &Message, by: &str) -> Result<Published, Breach> {
        if matches!(self.state, State::Closed) {
            let expected = "no message that its publisher, closed after all its messages, has not received";
            return Err(Breach::of(Promise::AcceptedIsDelivered, by, expected, received));
        }
        let Some(published) = self.undelivered.pop_front() else {
            let promise =
                if label.number <= self.numbers { Promise::ExactlyOnce } else { Promise::NothingInvented };
            return Err(Breach::of(promise, by, "nothing more of this publisher", received));
        };
        self.bytes -= published.message.payload.len();
        if published.label.number == label.number && published.message == *received {
            return Ok(published);
        }
        let promise = match label.number {
            earlier if earlier < published.label.number => Promise::ExactlyOnce,
            later if later > published.label.number => Promise::AcceptedIsDelivered,
            _ => Promise::NothingInvented,
        };
        Err(Breach::of(promise, by, published.message, received))
    }

    pub fn is_gone(&mut self, state: super::Departure) {
        self.state = match state {
            super::Departure::Orderly => State::Owed,
            super::Departure::Sudden => State::Disconnected(Instant::now()),
            super::Departure::Closed => State::Closed,
        };
    }

    /// The first message that must still be received.
    pub fn owed(&self) -> Option<&Published> {
        self.undelivered.front().filter(|_| matches!(self.state, State::Here | State::Owed))
    }

    /// Bytes that will certainly arrive.
    pub fn undelivered_bytes(&self) -> usize {
        if matches!(self.state, State::Here | State::Owed) { self.bytes } else { 0 }
    }

    /// True if none of its messages can be received any more.
    pub fn is_forgotten(&self, now: Instant) -> bool {
        match self.state {
            State::Here => false,
            State::Owed => self.undelivered.is_empty(),
            State::Disconnected(since) => {
                self.undelivered.is_empty() || now.duration_since(since) > ON_ITS_WAY
            }
            State::Closed => false,
        }
    }
}
