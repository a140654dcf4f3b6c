//! How far those who speak in a room may be ahead of those who hear.
//!
//! Who speaks takes credit for each message. It comes back when the relays have handed the message on, or,
//! while more than half of the room's clients are behind, when they have caught up. So a room is spoken in as fast
//! as most of it hears, and only who is slower than most is sent away as too slow.

use crate::config::Settings;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The same for every room.
#[derive(Clone, Copy, Debug)]
pub struct FlowTerms {
    /// Bytes that may be under way: half of an outbox, the other half may be taken already.
    credit: usize,
    /// What the smallest message costs, since outboxes count messages too.
    least: usize,
    /// How long speakers wait for those who are behind; zero: not at all.
    pub patience: Duration,
}

/// What hub, relays and sessions share about one room; only counters, no order depends on them.
pub struct Flow {
    pub terms: FlowTerms,
    pub credit: Arc<Semaphore>,
    members: AtomicUsize,
    behind: AtomicUsize,
}

/// Shared, since a relay may hold it for longer than the message.
pub type Credit = Arc<OwnedSemaphorePermit>;

impl FlowTerms {
    pub fn of(settings: &Settings) -> Self {
        let (bytes, messages) = (settings.session.outbox_bytes.bytes(), settings.session.outbox_messages);
        let least = (bytes / messages).max(1);
        let credit = (bytes / 2).clamp(least, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { credit, least, patience: settings.rooms.patience }
    }

    /// What a message of `bytes` costs; never more than there is.
    pub fn cost(self, bytes: usize) -> u32 {
        bytes.clamp(self.least, self.credit) as u32
    }
}

impl Flow {
    pub fn new(terms: FlowTerms) -> Self {
        let credit = Arc::new(Semaphore::new(terms.credit));
        Self { terms, credit, members: AtomicUsize::new(0), behind: AtomicUsize::new(0) }
    }

    /// Of so many clients in the room.
    pub fn set_members(&self, members: usize) {
        self.members.store(members, Ordering::Relaxed);
    }

    /// One relay counts `now` clients that are behind instead of `before`.
    pub fn count_behind(&self, before: usize, now: usize) {
        match now.checked_sub(before) {
            Some(more) => self.behind.fetch_add(more, Ordering::Relaxed),
            None => self.behind.fetch_sub(before - now, Ordering::Relaxed),
        };
    }

    /// Whether more than half of the room have not taken yet what they were sent.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) * 2 > self.members.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_fills_at_most_half_an_outbox() {
        let settings = Settings::default();
        let terms = FlowTerms::of(&settings);
        assert!(terms.credit / terms.cost(0) as usize <= settings.session.outbox_messages / 2);
        assert!(terms.credit <= settings.session.outbox_bytes.bytes() / 2);
    }

    #[test]
    fn a_message_of_any_size_can_be_said() {
        let flow = Flow::new(FlowTerms::of(&Settings::default()));
        assert!(flow.terms.cost(usize::MAX) as usize <= flow.credit.available_permits());
    }

    #[test]
    fn a_room_is_behind_when_more_than_half_of_it_are() {
        let flow = Flow::new(FlowTerms::of(&Settings::default()));
        flow.set_members(4);
        flow.count_behind(0, 1); // one relay
        flow.count_behind(0, 1); // another
        assert!(!flow.is_behind());
        flow.count_behind(1, 2);
        assert!(flow.is_behind());
        flow.count_behind(2, 0);
        assert!(!flow.is_behind());
    }
}
