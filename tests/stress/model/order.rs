//! The messages of a room in the order of their delivery; the beginning is forgotten in time.

use super::{Message, payload::Label, publisher::Published};
use std::{collections::VecDeque, time::Instant};

/// Payload that is kept of one room, in bytes; subscribers that lag further are no longer judged.
const KEPT_BYTES: usize = 64 << 20;

#[derive(Default)]
pub struct Order {
    /// The position of the first message that is kept.
    first: usize,
    messages: VecDeque<Placed>,
    /// Bytes of all messages, those that are forgotten included.
    bytes: usize,
}

/// A message at its place.
pub struct Placed {
    pub label: Label,
    pub message: Message,
    pub published: Instant,
    /// The time of publication, as [`super::Model`] counts.
    pub at: u64,
    /// Bytes that the order had held when this was added.
    before: usize,
}

impl Order {
    /// The position of the next message.
    pub fn end(&self) -> usize {
        self.first + self.messages.len()
    }

    pub fn at(&self, position: usize) -> Option<&Placed> {
        self.messages.get(position.checked_sub(self.first)?)
    }

    pub fn is_forgotten(&self, position: usize) -> bool {
        position < self.first
    }

    /// Bytes of the messages from `position` on.
    pub fn bytes_from(&self, position: usize) -> usize {
        self.at(position).map_or(0, |placed| self.bytes - placed.before)
    }

    pub fn push(&mut self, label: Label, published: Published) {
        let before = self.bytes;
        self.bytes += published.message.payload.len();
        self.messages.push_back(Placed {
            label,
            message: published.message,
            published: published.when,
            at: published.at,
            before,
        });
    }

    /// Forgets what lies before `position`, and what is too much to be kept.
    pub fn forget_before(&mut self, position: usize) {
        while self.first < position || self.bytes_from(self.first) > KEPT_BYTES {
            if self.messages.pop_front().is_none() {
                return;
            }
            self.first += 1;
        }
    }
}
