//! The speakers in one room, where they are announced.

use crate::ids::{ConnectionId, SpeakerId};
use serde::Serialize;
use std::collections::BTreeMap;

/// Each speaker with the number of its sessions: after a resume the lost session may not have
/// ended.
#[derive(Debug, Default)]
pub struct Presence(BTreeMap<SpeakerId, usize>);

impl Presence {
    /// Adds a session of `who`; returns true if it is the first.
    pub fn add(&mut self, who: SpeakerId) -> bool {
        let sessions = self.0.entry(who).or_default();
        *sessions += 1;
        *sessions == 1
    }

    /// Removes a session of `who`; returns true if it was the last.
    pub fn remove(&mut self, who: SpeakerId) -> bool {
        let Some(sessions) = self.0.get_mut(&who) else { return false };
        *sessions -= 1;
        let gone = *sessions == 0;
        if gone {
            self.0.remove(&who);
        }
        gone
    }

    /// Iterates over the speakers, in no order.
    pub fn who(&self) -> impl Iterator<Item = SpeakerId> + '_ {
        self.0.keys().copied()
    }
}

/// A change of the speakers in a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The speaker joined.
    Joined {
        /// The connection that joined; `None` if it joined at another node.
        connection: Option<ConnectionId>,
    },
    /// The speaker left with its last connection.
    Left,
}

/// The changes that a room has not announced: the difference between its speakers and those that
/// its clients know. So it holds at most one entry per speaker, before or after the changes.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<SpeakerId, Change>);

impl Changes {
    /// Notes a change; a join and a leave that were not announced cancel out.
    pub fn note(&mut self, who: SpeakerId, change: Change) {
        if self.0.remove(&who).is_none() {
            self.0.insert(who, change);
        }
    }

    /// Removes and returns the join of `who`, if it was not announced.
    pub fn take_join(&mut self, who: SpeakerId) -> Option<Change> {
        self.0.get(&who).filter(|change| matches!(change, Change::Joined { .. }))?;
        self.0.remove(&who)
    }

    /// Removes the change of the lowest speaker, and returns it.
    pub fn take_first(&mut self) -> Option<(SpeakerId, Change)> {
        self.0.pop_first()
    }

    /// Returns the number of changes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true without changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The clients in a room, as far as they are announced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Present {
    /// Clients in the room.
    pub clients: usize,
    /// The speakers, at most [`Present::MAX_NAMED`]; `None` unless `rooms.presence` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Vec<SpeakerId>>,
}

impl Present {
    /// The speakers that are named at most, inclusive: an answer must not cost much more than its
    /// request.
    pub const MAX_NAMED: usize = 1000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_that_resumes_before_its_lost_session_ends_was_present_all_the_time() {
        let (mut presence, anna) = (Presence::default(), SpeakerId::next());
        assert!(presence.add(anna));
        assert!(!presence.add(anna));
        assert!(!presence.remove(anna));
        assert!(presence.who().eq([anna]));
        assert!(presence.remove(anna));
        assert!(!presence.remove(anna));
        assert_eq!(presence.who().count(), 0);
    }

    #[test]
    fn a_join_and_a_leave_that_were_not_announced_cancel_out() {
        let (mut changes, anna, bert) = (Changes::default(), SpeakerId::next(), SpeakerId::next());
        let joined = Change::Joined { connection: Some(ConnectionId::next()) };
        changes.note(anna, joined);
        changes.note(bert, Change::Left);
        changes.note(anna, Change::Left);
        changes.note(bert, Change::Joined { connection: None });
        assert!(changes.is_empty(), "{changes:?}");
        changes.note(anna, joined);
        assert_eq!((changes.take_join(bert), changes.take_join(anna)), (None, Some(joined)));
        changes.note(anna, Change::Left);
        assert_eq!((changes.take_join(anna), changes.len()), (None, 1));
        assert_eq!(changes.take_first(), Some((anna, Change::Left)));
    }
}
