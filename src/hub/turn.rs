//! The lists that grow during a turn of the hub, one for each relay.

use super::messages::{Event, Turn};
use crate::room::RelayId;
use actix::prelude::*;

/// What a turn may hold before it ends early: more would make hearers wait while others speak.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    pub bytes: usize,
    pub messages: usize,
}

/// How much was said since something began.
#[derive(Default)]
pub struct Load {
    bytes: usize,
    messages: usize,
}

impl Load {
    /// Whether a message of `bytes` would exceed the limits; the first message never does.
    pub fn is_full(&self, bytes: usize, limits: TurnLimits) -> bool {
        self.messages > 0 && (self.bytes + bytes > limits.bytes || self.messages >= limits.messages)
    }

    pub fn add(&mut self, messages: usize, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes;
    }

    pub fn messages(&self) -> usize {
        self.messages
    }
}

/// The relays with what each is to be told at the end of the turn.
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

    /// Hands every relay that has something to do its list.
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
}
