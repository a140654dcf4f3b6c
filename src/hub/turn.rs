//! The lists that grow during a turn of the hub, one for each relay.

use super::messages::{Event, Turn};
use crate::{ids::RelayId, limits::QueueLimits};
use actix::prelude::*;
use std::time::{Duration, Instant};

/// The limits at which a turn ends early: a longer one would make subscribers wait for publishers.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    /// Bytes of payloads.
    pub bytes: usize,
    /// Number of messages.
    pub messages: usize,
}

impl TurnLimits {
    /// Returns limits at which a whole turn fits into such an outbox while it is empty, so that
    /// many publishers make no subscriber too slow.
    pub fn of(outbox: QueueLimits) -> Self {
        Self { bytes: outbox.bytes.min(64 << 10), messages: outbox.messages.min(256) }
    }
}

/// The messages and bytes of a turn.
#[derive(Default)]
pub struct Load {
    bytes: usize,
    messages: usize,
}

impl Load {
    /// Returns true if a message of `bytes` would exceed the limits; the first message never does.
    pub fn is_full(&self, bytes: usize, limits: TurnLimits) -> bool {
        self.messages > 0 && (self.bytes + bytes > limits.bytes || self.messages >= limits.messages)
    }

    /// Adds `messages` with `bytes` in all.
    pub fn add(&mut self, messages: usize, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Returns the number of messages.
    pub fn messages(&self) -> usize {
        self.messages
    }
}

/// The work of an actor since it last yielded to the other tasks of its thread. A mailbox under
/// load is never empty, so a stint ends by its length, whatever the mailbox entries are.
#[derive(Default)]
pub struct Stint {
    began: Option<Instant>,
    entries: usize,
}

impl Stint {
    /// Mailbox entries after which a stint ends.
    const ENTRIES: usize = 256;
    /// Time after which the next entry is the last of a stint.
    const TIME: Duration = Duration::from_millis(1);

    /// Counts a mailbox entry that begins at `now`, the first of which begins the stint; true if
    /// the stint is over with this entry.
    pub fn count(&mut self, now: Instant) -> bool {
        self.began.get_or_insert(now);
        self.entries += 1;
        self.entries >= Self::ENTRIES || self.is_late(now)
    }

    /// Returns true if the stint has used up its time.
    pub fn is_late(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now.saturating_duration_since(began) >= Self::TIME)
    }
}

/// The relays with their lists, which are handed over at the end of the turn.
#[derive(Default)]
pub struct Turns {
    relays: Vec<Option<NextTurn>>,
}

struct NextTurn {
    events: Vec<Event>,
    relay: Recipient<Turn>,
}

impl Turns {
    pub fn add_relay(&mut self, id: RelayId, relay: Recipient<Turn>) {
        let index = id.0 as usize;
        if self.relays.len() <= index {
            self.relays.resize_with(index + 1, || None);
        }
        self.relays[index] = Some(NextTurn { events: Vec::new(), relay });
    }

    pub fn add(&mut self, relay: RelayId, event: Event) {
        if let Some(Some(next)) = self.relays.get_mut(relay.0 as usize) {
            next.events.push(event);
        }
    }

    pub fn add_for_all(&mut self, event: impl Fn() -> Event) {
        self.relays.iter_mut().flatten().for_each(|next| next.events.push(event()));
    }

    /// Hands over every list that is not empty.
    pub fn end(&mut self) {
        for next in self.relays.iter_mut().flatten().filter(|next| !next.events.is_empty()) {
            let events = std::mem::take(&mut next.events);
            next.relay.do_send(Turn(events)); // bounded by the permits of its messages and by the number of sessions
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_full_before_it_exceeds_its_bounds() {
        let limits = TurnLimits { bytes: 100, messages: 3 };
        let mut load = Load::default();
        assert!(!load.is_full(1000, limits), "a single message always fits");
        load.add(1, 60);
        assert!(!load.is_full(40, limits));
        assert!(load.is_full(41, limits));
        load.add(2, 1);
        assert!(load.is_full(1, limits));
    }

    #[test]
    fn a_stint_ends_after_a_number_of_entries_or_a_time() {
        let now = Instant::now();
        let mut quick = Stint::default();
        assert_eq!((1..1000).find(|_| quick.count(now)), Some(Stint::ENTRIES));

        let mut slow = Stint::default();
        assert!(!slow.count(now));
        assert!(!slow.count(now + Stint::TIME / 2));
        assert!(slow.count(now + Stint::TIME), "it began with its first entry");
    }
}
