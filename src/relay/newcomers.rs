//! The admitted sessions that wait for their part of a history.
//!
//! A newcomer is a member of its room from its admission on: live messages wait in its outbox,
//! behind the place of its history. Histories are encoded and sent in short steps, so that many
//! newcomers, or one with a long history, delay no other session of the thread.

use crate::{
    hub::Admission,
    ids::{ConnectionId, RoomSlot},
    protocol::Encoding,
};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// An admitted session without its first frames.
pub struct WaitingNewcomer {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its first content.
    pub admission: Box<Admission>,
}

/// A room and an encoding: the newcomers of both share one encoded history.
pub type Group = (RoomSlot, Encoding);

/// The newcomers of one thread, in groups. One group after the other is served, each with the
/// newcomers that it has when its turn begins: they cost one encoding, even if the encoded
/// histories of all groups exceed the cache.
#[derive(Default)]
pub struct Newcomers {
    groups: HashMap<Group, VecDeque<WaitingNewcomer>>,
    /// The groups in the order in which they are served; the groups of `groups`, each once.
    order: VecDeque<Group>,
    /// The group that is being served.
    current: Option<(Group, VecDeque<WaitingNewcomer>)>,
    waiting: usize,
}

impl Newcomers {
    /// The longest time for which newcomers are served before the other tasks of the thread run. It
    /// is exceeded by at most one step: 64 KiB of a history, one message, or one client.
    pub const STINT: Duration = Duration::from_millis(1);

    /// The number of newcomers up to which those that have left are not looked for.
    const FEW: usize = 64;

    /// Adds a newcomer of a group.
    pub fn add(&mut self, group: Group, newcomer: WaitingNewcomer) {
        let newcomers = self.groups.entry(group).or_default();
        if newcomers.is_empty() {
            self.order.push_back(group);
        }
        newcomers.push_back(newcomer);
        self.waiting += 1;
    }

    /// Returns the newcomer that is served next, and its group.
    pub fn first(&mut self) -> Option<(Group, &WaitingNewcomer)> {
        if self.current.as_ref().is_none_or(|(_, newcomers)| newcomers.is_empty()) {
            self.current = self.order.pop_front().and_then(|group| self.groups.remove_entry(&group));
        }
        let (group, newcomers) = self.current.as_ref()?;
        Some((*group, newcomers.front()?))
    }

    /// Removes the newcomer that [`Newcomers::first`] returns.
    pub fn take_first(&mut self) -> Option<WaitingNewcomer> {
        let newcomer = self.current.as_mut()?.1.pop_front()?;
        self.waiting -= 1;
        if self.waiting == 0 {
            *self = Self::default(); // releases the memory of the lists
        }
        Some(newcomer)
    }

    /// Returns the number of newcomers that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Removes those that have left, if there are more than twice as many newcomers as `sessions`
    /// of this thread.
    pub fn drop_left(&mut self, sessions: usize, is_there: impl Fn(ConnectionId) -> bool) {
        if self.waiting <= Self::FEW.max(2 * sessions) {
            return;
        }
        let lists = self.groups.values_mut().chain(self.current.as_mut().map(|(_, newcomers)| newcomers));
        self.waiting = 0;
        for newcomers in lists {
            newcomers.retain(|newcomer| is_there(newcomer.connection));
            self.waiting += newcomers.len();
        }
        self.groups.retain(|_, newcomers| !newcomers.is_empty());
        self.order.retain(|group| self.groups.contains_key(group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{History, HistoryLimits, HistoryRequest},
        ids::SpeakerId,
        protocol::Protocol,
        testing::slots,
    };

    const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };

    fn newcomer() -> WaitingNewcomer {
        let limits = HistoryLimits { messages: 1, age: Duration::MAX, bytes: 1 };
        let history = History::new(limits).slice(HistoryRequest::default());
        let room = "news".parse().unwrap();
        let admission =
            Box::new(Admission { who: SpeakerId::next(), resumed: false, room, greeting: None, history });
        WaitingNewcomer { connection: ConnectionId::next(), admission }
    }

    /// Serves one newcomer; returns its room.
    fn serve(newcomers: &mut Newcomers) -> Option<RoomSlot> {
        let room = newcomers.first()?.0.0;
        newcomers.take_first();
        Some(room)
    }

    #[test]
    fn newcomers_of_one_room_follow_each_other_and_no_room_waits_for_later_ones() {
        let (mut newcomers, rooms) = (Newcomers::default(), slots(3));
        for room in [0, 1, 2, 0, 1, 0] {
            newcomers.add((rooms[room], RAW), newcomer());
        }
        assert_eq!(serve(&mut newcomers), Some(rooms[0]));
        newcomers.add((rooms[0], RAW), newcomer());
        let order: Vec<_> = std::iter::from_fn(|| serve(&mut newcomers)).collect();
        assert_eq!(order, [0, 0, 1, 1, 2, 0].map(|room| rooms[room]));
        assert_eq!(newcomers.waiting(), 0);
    }

    #[test]
    fn newcomers_that_have_left_do_not_pile_up() {
        let (mut newcomers, rooms) = (Newcomers::default(), slots(2));
        for number in 0..1000 {
            newcomers.add((rooms[number % 2], RAW), newcomer());
            newcomers.first();
            newcomers.drop_left(10, |_| false);
            assert!(newcomers.waiting() <= Newcomers::FEW);
        }
        while serve(&mut newcomers).is_some() {}
        assert!(newcomers.groups.is_empty() && newcomers.order.is_empty());
    }
}
