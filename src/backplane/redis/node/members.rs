//! The clients and the speakers of a room on all nodes.

use super::{Node, take_first_if};
use crate::{
    backplane::{
        Arrival, GetPresence, NoticeList, Waiter,
        redis::{
            call::Members,
            entry::{NodeId, Sequence},
        },
    },
    config::RoomName,
    ids::{RoomSlot, SpeakerId},
    room::Change,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    time::{Duration, Instant},
};

/// The time in which the number of clients here is told to other nodes.
const COUNT_TIME: Duration = Duration::from_secs(1);

/// Changes that are remembered during a fetch; with more, Redis is asked again.
const RECENT: usize = 256;

/// The pause before this node tells its members again: its sign of life must come first.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// The members of one room, here and elsewhere.
#[derive(Default)]
pub(super) struct RoomMembers {
    /// Clients of this node.
    clients: usize,
    /// Clients of this node, as Redis knows them.
    told: usize,
    /// The time of the first change that Redis does not know.
    changed_at: Option<Instant>,
    /// Clients of each other node.
    others: Vec<(NodeId, usize)>,
    /// Speakers of this node.
    mine: BTreeSet<SpeakerId>,
    /// Speakers of all nodes, as members here know them.
    all: BTreeSet<SpeakerId>,
    /// Speakers of this node that another one has removed, taking this node for dead.
    removed: BTreeSet<SpeakerId>,
    /// Changes that have not arrived.
    lists: VecDeque<Changes>,
    /// Redis is to be told all, not the changes.
    is_whole_due: bool,
    /// The time at which Redis is told all: another node took this one for dead.
    tell_again_at: Option<Instant>,
    /// Redis may have members of this node in this room.
    pub(super) may_be_known: bool,
    /// Changes that came while a fetch waits for its reply, which may be older than they are.
    recent: Vec<MembersOf>,
    /// The number of `recent` is beyond its bound.
    has_lost_recent: bool,
    /// A call waits for its reply.
    pub(super) is_calling: bool,
    /// Requests for presence that wait for the changes.
    pub(super) requests: Vec<(Instant, GetPresence)>,
}

/// Joins and leaves of this node.
struct Changes {
    /// Their place among the submissions and the changes of the room.
    order: u64,
    /// The number of the call that tells Redis; `None` before it is sent.
    sent: Option<Sequence>,
    notices: NoticeList,
}

/// A change of the members of one node.
struct MembersOf {
    node: NodeId,
    clients: usize,
    joined: Vec<SpeakerId>,
    left: Vec<SpeakerId>,
}

impl RoomMembers {
    /// The members of a room without any; Redis may have some of this node from before.
    pub(super) fn new(may_be_known: bool) -> Self {
        Self { may_be_known, is_whole_due: may_be_known, ..Self::default() }
    }

    /// Changes that come from now on may be newer than the state that Redis replies.
    pub(super) fn begin_fetch(&mut self) {
        (self.recent, self.has_lost_recent) = Default::default();
    }

    /// Redis is to be told all.
    pub(super) fn tell_all(&mut self) {
        self.is_whole_due |= self.may_be_known || self.clients > 0 || !self.mine.is_empty();
    }

    /// Clients of all other nodes.
    pub(super) fn others(&self) -> usize {
        self.others.iter().map(|(_, clients)| clients).sum()
    }

    /// The speakers of all nodes.
    pub(super) fn speakers(&self) -> &BTreeSet<SpeakerId> {
        &self.all
    }

    pub(super) fn announce(&mut self, notices: NoticeList, order: u64) {
        for (who, change) in &notices.changes {
            match change {
                Change::Joined { .. } => self.mine.insert(*who),
                Change::Left => self.mine.remove(who),
            };
        }
        self.lists.push_back(Changes { order, sent: None, notices });
    }

    pub(super) fn set_clients(&mut self, clients: usize, now: Instant) {
        self.clients = clients;
        self.changed_at.get_or_insert(now);
        if clients == 0 {
            self.leave_all();
        }
    }

    /// Removes all members of this node.
    pub(super) fn leave_all(&mut self) {
        self.is_whole_due |= self.told > 0 || !self.mine.is_empty() || !self.lists.is_empty();
        self.clients = 0;
        self.mine.clear();
        self.lists.clear();
    }

    /// Returns true if every change has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.lists.is_empty()
    }

    pub(super) fn waits(&self) -> bool {
        !self.requests.is_empty() || self.changed_at.is_some() || self.tell_again_at.is_some()
    }

    pub(super) fn reset_link(&mut self) {
        self.is_calling = false;
        self.tell_all();
        self.lists.iter_mut().for_each(|changes| changes.sent = None);
    }

    /// The place of the first change that Redis was not told.
    pub(super) fn first_unsent(&self) -> Option<u64> {
        self.lists.iter().find(|changes| changes.sent.is_none()).map(|changes| changes.order)
    }

    /// The call that tells Redis the changes before the place `before`, if one is due.
    pub(super) fn next_change(
        &mut self,
        room: &RoomName,
        sequence: Sequence,
        before: u64,
        now: Instant,
    ) -> Option<Members> {
        if self.tell_again_at.is_some_and(|at| at <= now) {
            self.tell_again_at = None;
            self.tell_all();
        }
        let has_lists = self.first_unsent().is_some_and(|order| order < before);
        let is_count_due = self.clients != self.told
            && self.changed_at.is_none_or(|at| now.saturating_duration_since(at) >= COUNT_TIME);
        if self.clients == self.told {
            self.changed_at = None;
        }
        if self.is_calling || !(has_lists || is_count_due || self.is_whole_due) {
            return None;
        }
        let mut changes = BTreeMap::new();
        let unsent = |list: &&mut Changes| list.sent.is_none() && list.order < before;
        for list in self.lists.iter_mut().filter(unsent) {
            list.sent = Some(sequence);
            changes.extend(list.notices.changes.iter().copied());
        }
        let whole = mem::take(&mut self.is_whole_due);
        let (joined, left): (Vec<_>, Vec<_>) = match whole {
            true => (self.mine.iter().copied().collect(), Vec::new()),
            false => {
                let (joined, left): (Vec<_>, Vec<_>) =
                    changes.into_iter().partition(|(_, change)| matches!(change, Change::Joined { .. }));
                let who =
                    |changes: Vec<(SpeakerId, Change)>| changes.into_iter().map(|(who, _)| who).collect();
                (who(joined), who(left))
            }
        };
        (self.told, self.changed_at, self.is_calling) = (self.clients, None, true);
        self.may_be_known = true;
        Some(Members { room: room.clone(), sequence, clients: self.clients, joined, left, whole })
    }
}

/// A notice of a speaker at another node.
fn remote(who: SpeakerId, has_joined: bool) -> (SpeakerId, Change) {
    (who, if has_joined { Change::Joined { connection: None } } else { Change::Left })
}

impl Node {
    /// The number of clients here has changed.
    pub fn set_clients(&mut self, slot: RoomSlot, clients: usize, now: Instant) {
        if let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) {
            room.members.set_clients(clients, now);
            self.watched.insert(slot);
            self.poke(slot);
        }
    }

    /// Clients of all other nodes in an open room.
    pub fn clients_elsewhere(&self, slot: RoomSlot) -> usize {
        self.rooms.get(slot.index()).and_then(Option::as_ref).map_or(0, |room| room.members.others())
    }

    /// Speakers of all nodes in an open room.
    pub fn speakers(&self, slot: RoomSlot) -> impl Iterator<Item = SpeakerId> {
        let room = self.rooms.get(slot.index()).and_then(Option::as_ref);
        room.into_iter().flat_map(|room| room.members.speakers().iter().copied())
    }

    /// Redis has forgotten the members of this node: it is told them again.
    pub(super) fn assert_members(&mut self) {
        self.rooms.iter_mut().flatten().for_each(|room| room.members.reset_link());
        self.poke_all();
    }

    /// Members of one node have changed.
    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn members_changed(
        &mut self,
        slot: RoomSlot,
        node: NodeId,
        sequence: Sequence,
        clients: usize,
        joined: Vec<SpeakerId>,
        left: Vec<SpeakerId>,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let is_ours = node == self.id;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let members = &mut room.members;
        if room.mirror.is_calling {
            let change = MembersOf { node, clients, joined: joined.clone(), left: left.clone() };
            members.recent.push(change);
            if members.recent.len() > RECENT {
                (members.recent, members.has_lost_recent) = (Vec::new(), true);
            }
        }
        if is_ours && sequence == Sequence(0) {
            members.tell_again_at = Some(now + TELL_AGAIN);
            self.watched.insert(slot);
        }
        if !is_ours {
            members.others.retain(|(id, _)| *id != node);
            members.others.extend((clients > 0).then_some((node, clients)));
        }
        let mut fresh: BTreeMap<SpeakerId, bool> = BTreeMap::new();
        members.removed.retain(|who| !joined.contains(who));
        fresh.extend(joined.into_iter().filter(|who| members.all.insert(*who)).map(|who| (who, true)));
        for who in left {
            if members.mine.contains(&who) {
                members.removed.insert(who); // it is here: Redis is told again
            } else if members.all.remove(&who) {
                fresh.insert(who, false);
            }
        }
        while is_ours
            && let Some(Changes { notices: mut list, .. }) =
                take_first_if(&mut members.lists, |list| list.sent == Some(sequence))
        {
            list.changes.retain(|(who, change)| {
                let has_joined = matches!(change, Change::Joined { .. });
                if fresh.get(who) == Some(&has_joined) {
                    return fresh.remove(who).is_some();
                }
                if !has_joined {
                    let has_left = members.removed.remove(who) && !members.mine.contains(who);
                    return has_left && members.all.remove(who);
                }
                // Redis may have known a join from a call whose answer was lost.
                !fresh.contains_key(who) && members.mine.contains(who) && members.all.insert(*who)
            });
            arrived.push_back(Arrival::Notices(list));
        }
        if !fresh.is_empty() && room.mirror.is_open {
            let changes = fresh.into_iter().map(|(who, has_joined)| remote(who, has_joined)).collect();
            arrived.push_back(Arrival::Notices(NoticeList { room: slot, changes, credit: None }));
        }
        self.answer_presence(slot, arrived);
        self.poke(slot);
    }

    /// Takes the members that Redis knows; members here are told the difference.
    pub(super) fn know_members(
        &mut self,
        slot: RoomSlot,
        clients: Vec<(NodeId, usize)>,
        speakers: Vec<SpeakerId>,
        was_open: bool,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let id = self.id;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let members = &mut room.members;
        let (mut clients, mut speakers): (BTreeMap<_, _>, BTreeSet<_>) =
            (clients.into_iter().collect(), speakers.into_iter().collect());
        for MembersOf { node, clients: count, joined, left } in members.recent.drain(..) {
            clients.insert(node, count);
            speakers.extend(joined);
            speakers.retain(|who| !left.contains(who));
        }
        room.mirror.wants_fetch |= mem::take(&mut members.has_lost_recent);
        let here = clients.get(&id).copied().unwrap_or_default();
        members.is_whole_due |= !members.is_calling
            && (here != members.told || !members.mine.is_subset(&speakers) && members.lists.is_empty());
        members.others = clients.into_iter().filter(|(node, clients)| *node != id && *clients > 0).collect();
        let joined: Vec<_> = speakers.difference(&members.all).copied().collect();
        let left: BTreeSet<_> =
            members.all.difference(&speakers).filter(|who| !members.mine.contains(who)).copied().collect();
        members.all.retain(|who| !left.contains(who));
        members.removed.retain(|who| !speakers.contains(who));
        // A speaker of ours that waits in a list is told by the list.
        let listed = members.lists.iter().flat_map(|list| list.notices.changes.iter().map(|(who, _)| *who));
        let waiting: BTreeSet<_> = listed.filter(|who| members.mine.contains(who)).collect();
        let joined: Vec<_> = joined.into_iter().filter(|who| !waiting.contains(who) || !was_open).collect();
        members.all.extend(joined.iter().copied());
        let joined = joined.into_iter().map(|who| remote(who, true));
        let changes = joined.chain(left.into_iter().map(|who| remote(who, false)));
        if was_open {
            let notices = NoticeList { room: slot, changes: changes.collect(), credit: None };
            if !notices.changes.is_empty() {
                arrived.push_back(Arrival::Notices(notices));
            }
        }
    }

    /// Answers requests for presence, if every change has arrived.
    fn answer_presence(&mut self, slot: RoomSlot, arrived: &mut VecDeque<Arrival>) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if room.members.is_settled() {
            let requests = mem::take(&mut room.members.requests);
            arrived
                .extend(requests.into_iter().map(|(_, request)| Arrival::Settled(Waiter::Presence(request))));
        }
    }

    /// Answers requests that have waited for too long, as far as this node knows.
    pub(super) fn give_up_presence(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let patience = self.times.patience;
        let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) else { return };
        let is_late = |since: Instant| now.saturating_duration_since(since) >= patience;
        let late = room.members.requests.iter().filter(|(since, _)| is_late(*since)).count();
        for (_, request) in room.members.requests.drain(..late) {
            arrived.push_back(Arrival::Settled(Waiter::Presence(request)));
        }
    }
}
