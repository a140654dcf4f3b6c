//! The mirrors: what Redis has of each room that has members here.
//!
//! Arrivals are contiguous: a hole, a lost tail and another epoch are noticed, and the node reads
//! the room in Redis again. The node gives Redis back the messages that Redis has lost in a
//! failure.

use super::{Node, Purpose, Recall, SWEEP, Sweep, outbox::ARRIVAL_TIME};
use crate::{
    backplane::{
        Arrival, EpochChange, NewEpoch, Ordered,
        redis::{
            call::{Call, Fetch, Reply, Restore, RoomState},
            entry::{Entry, NodeId, Sequence, StoredMessage},
        },
    },
    history::{Epoch, History, Message, NewMessage, Offset, Position},
    ids::RoomSlot,
    limits::Source,
};
use smallvec::SmallVec;
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Bytes of batches that wait for a hole to be filled; more are asked for again.
const INBOX_BYTES: usize = 1 << 20;

/// Nodes whose last batch is remembered for a room.
const SEQUENCES: usize = 64;

/// The state of the mirror of one room.
#[derive(Default)]
pub(super) struct Mirror {
    /// The room has members here, or had some a moment ago.
    pub(super) is_wanted: bool,
    /// The history in the archive is what Redis had at some time.
    pub(super) is_open: bool,
    /// It has every batch that was published since then, too.
    pub(super) is_current: bool,
    /// Redis is to be asked.
    pub(super) wants_fetch: bool,
    /// A fetch or a restoration waits for its reply.
    pub(super) is_calling: bool,
    pub(super) subscription: Subscription,
    /// The time at which Redis is asked again.
    pub(super) retry_at: Option<Instant>,
    /// The offset that publications on their way are to reach: a fetch has found it, and Redis does
    /// not hold the messages before it any longer.
    expected: Option<Offset>,
    /// Batches that came while the mirror was not current.
    inbox: VecDeque<Entry>,
    inbox_bytes: usize,
    /// Batches at the front of `inbox` that came before the present fetch was sent.
    inbox_before_fetch: usize,
    /// The batches of the history, oldest first.
    batches: VecDeque<BatchEnd>,
    /// The last batch of each node; the node that has published last is at the end.
    sequences: Vec<(NodeId, Sequence)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Subscription {
    #[default]
    None,
    Requested,
    Confirmed,
}

/// A batch in the history.
struct BatchEnd {
    until: Position,
    messages: usize,
    node: NodeId,
    sequence: Sequence,
}

impl Mirror {
    /// The connection is gone, and with it the subscription and every call.
    pub(super) fn reset_link(&mut self) {
        self.subscription = Subscription::None;
        self.distrust();
        (self.is_calling, self.retry_at) = (false, None);
        (self.inbox, self.inbox_bytes, self.inbox_before_fetch) = Default::default();
    }

    /// Something may have been missed.
    pub(super) fn distrust(&mut self) {
        (self.is_current, self.expected) = (false, None);
        self.wants_fetch = self.is_wanted;
    }

    /// Returns true if publications on their way may fill the hole between `here` and `held`. A
    /// reply may overtake them, so Redis is asked once more before a hole is a loss.
    fn awaits(&mut self, here: Offset, held: Offset, now: Instant) -> bool {
        match self.expected.take() {
            Some(expected) => here >= expected,
            None => {
                (self.expected, self.wants_fetch) = (Some(held), true);
                self.retry_at = Some(now + ARRIVAL_TIME);
                true
            }
        }
    }

    fn keep(&mut self, entry: Entry) {
        let bytes: usize = entry.messages.iter().map(|message| message.payload.as_bytes().len() + 64).sum();
        self.inbox_bytes += bytes;
        if self.inbox_bytes > INBOX_BYTES {
            (self.inbox, self.inbox_bytes, self.inbox_before_fetch) = Default::default();
            self.wants_fetch = true; // the hole is filled by another fetch
            return;
        }
        self.inbox.push_back(entry);
    }

    fn note_batch(&mut self, end: BatchEnd, forgotten: Offset) {
        self.note_sequence(end.node, end.sequence);
        self.batches.push_back(end);
        while self.batches.front().is_some_and(|oldest| oldest.until.offset <= forgotten) {
            self.batches.pop_front();
        }
    }

    fn note_sequence(&mut self, node: NodeId, sequence: Sequence) {
        let place = self.sequences.iter().position(|(id, _)| *id == node);
        let known = place.map_or(Sequence::default(), |place| self.sequences.remove(place).1);
        self.sequences.push((node, sequence.max(known)));
        if self.sequences.len() > SEQUENCES {
            self.sequences.remove(0);
        }
    }
}

/// The message of a batch at `position`.
pub(super) fn message_at(stored: StoredMessage, position: Position, now: Instant) -> Message {
    let StoredMessage { payload, who, audience, time } = stored;
    let age = SystemTime::now().duration_since(time).unwrap_or_default();
    let received = now.checked_sub(age).unwrap_or(now);
    Message::at(NewMessage { payload, who, audience }, position, received, time)
}

impl Node {
    pub(super) fn restore_until(&self) -> Option<Instant> {
        self.connection.as_ref().map(|connection| connection.restore_until)
    }

    /// Redis has confirmed subscriptions: what it has from now on comes by itself, and what it had
    /// before is fetched.
    pub(super) fn subscribed(&mut self, rooms: Vec<(RoomSlot, u64)>) {
        for (slot, generation) in rooms {
            if let Some(room) = self.room_of(slot, generation) {
                room.mirror.subscription = Subscription::Confirmed;
                room.mirror.wants_fetch = true;
                self.poke(slot);
            }
        }
    }

    /// The call that reads the room, if there is a mirror from its position on.
    pub(super) fn fetch_call(&mut self, slot: RoomSlot) -> Option<(Call, Purpose)> {
        let life = self.connection.as_ref()?.life.clone();
        let position = self.local.archive.get(slot).position();
        let room = self.rooms[slot.index()].as_mut()?;
        (room.mirror.wants_fetch, room.mirror.is_calling, room.mirror.retry_at) = (false, true, None);
        room.mirror.inbox_before_fetch = room.mirror.inbox.len();
        room.members.begin_fetch();
        let fetch = Fetch {
            room: room.name.clone(),
            life,
            after: room.mirror.is_open.then_some(position),
            begin: (!room.mirror.is_open).then(Epoch::begin),
            limits: room.limits,
        };
        Some((Call::Fetch(fetch), Purpose::Fetch(slot, room.generation)))
    }

    /// Handles the state of a room in Redis.
    pub(super) fn fetched(
        &mut self,
        slot: RoomSlot,
        generation: u64,
        reply: Reply,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let restore_until = self.restore_until();
        let Some(room) = self.room_of(slot, generation) else { return };
        room.mirror.is_calling = false;
        match reply {
            Reply::Room(state) => self.take(slot, state, now, arrived),
            Reply::NoRoom => self.restore(slot, None),
            Reply::Wait { .. } => {
                (room.mirror.wants_fetch, room.mirror.retry_at) = (true, restore_until);
                self.watched.insert(slot);
            }
            _ => {
                room.mirror.wants_fetch = true; // the life is asked for
                room.mirror.retry_at = Some(now + Duration::from_millis(100));
                self.watched.insert(slot);
            }
        }
        self.poke(slot);
    }

    /// Brings the mirror to what Redis has; tells the members if they are ahead of it.
    fn take(&mut self, slot: RoomSlot, state: RoomState, now: Instant, arrived: &mut VecDeque<Arrival>) {
        if let Some(connection) = &mut self.connection {
            connection.restore_until = now + state.restore;
        }
        let here = self.local.archive.get(slot).position();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let (is_open, was_current) = (room.mirror.is_open, room.mirror.is_current);
        let RoomState { until, is_of_this_life, forks, entries, sequences, clients, speakers, .. } = state;
        let is_behind = is_open && until.epoch == here.epoch && until.offset < here.offset;
        if is_behind && !is_of_this_life {
            return self.restore(slot, Some(until.offset));
        }
        let held = entries.first().map_or(until.offset, |oldest| oldest.first().back(1));
        let is_hole = is_open && was_current && until.epoch == here.epoch && here.offset < held;
        let is_awaited = is_hole && room.mirror.awaits(here.offset, held, now);
        if is_awaited {
            self.watched.insert(slot);
        } else if !is_behind {
            room.mirror.sequences = sequences;
            self.follow(slot, until, forks, arrived);
            let is_late =
                is_open && was_current && entries.iter().any(|entry| entry.until.offset > here.offset);
            self.counts.gaps_filled += u64::from(is_late);
            for entry in entries {
                self.arrive_or_skip(slot, entry, now, arrived);
            }
            self.skip_to(slot, until.offset, arrived); // the last ones are in no history
        }
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let is_subscribed = room.mirror.subscription == Subscription::Confirmed; // it may have ended
        (room.mirror.is_open, room.mirror.is_current) = (true, is_subscribed);
        self.know_members(slot, clients, speakers, is_open, arrived);
        self.empty_inbox(slot, now, arrived);
        self.answer_recalls(slot, now, arrived);
    }

    /// Puts the mirror into the epoch of Redis. Where its members have received what Redis does not
    /// have, they are told, and the mirror forgets it.
    fn follow(
        &mut self,
        slot: RoomSlot,
        until: Position,
        forks: Vec<Position>,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let here = self.local.archive.get(slot).position();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if !room.mirror.is_open {
            self.local.archive.restart(slot, Offset::default());
            return self.local.archive.fork(slot, until.epoch, forks);
        }
        if until.epoch != here.epoch {
            let end = forks.iter().find(|end| end.epoch == here.epoch).map(|end| end.offset);
            let change = match end {
                Some(end) if here.offset <= end => EpochChange::Kept(here.offset),
                end => {
                    let kept = end.unwrap_or_default();
                    self.local.archive.rewind(slot, kept);
                    room.mirror.batches.retain(|batch| batch.until.offset <= kept);
                    EpochChange::Lost(kept)
                }
            };
            arrived.push_back(Arrival::Epoch(NewEpoch { room: slot, epoch: until.epoch, change }));
        }
        self.local.archive.fork(slot, until.epoch, forks);
    }

    /// Takes a batch of the history of Redis, unless the mirror has it. The history may begin after
    /// the mirror ends.
    fn arrive_or_skip(
        &mut self,
        slot: RoomSlot,
        entry: Entry,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        if entry.until.offset > self.local.archive.get(slot).position().offset {
            self.skip_to(slot, entry.first().back(1), arrived);
            self.arrive(slot, entry, now, arrived);
        }
    }

    /// Lets the mirror go on after `offset`. Members are told of a hole that nobody can fill.
    fn skip_to(&mut self, slot: RoomSlot, offset: Offset, arrived: &mut VecDeque<Arrival>) {
        let here = self.local.archive.get(slot).position();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if offset <= here.offset {
            return;
        }
        room.mirror.batches.clear();
        if room.mirror.is_open {
            let change = EpochChange::Hole { after: here.offset, until: offset };
            arrived.push_back(Arrival::Epoch(NewEpoch { room: slot, epoch: here.epoch, change }));
        }
        self.local.archive.restart(slot, offset);
    }

    /// A batch was published in a room.
    pub(super) fn receive(
        &mut self,
        slot: RoomSlot,
        entry: Entry,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let here = self.local.archive.get(slot).position();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let mirror = &mut room.mirror;
        let first = entry.first();
        if !mirror.is_current {
            mirror.keep(entry);
            return;
        }
        let is_next_epoch = entry.until.epoch != here.epoch;
        if !is_next_epoch && entry.until.offset <= here.offset {
            return;
        }
        if !is_next_epoch && first == here.offset.next() {
            return self.arrive(slot, entry, now, arrived);
        }
        mirror.distrust();
        if !is_next_epoch {
            mirror.keep(entry);
        }
        self.counts.gaps_filled += 1;
        self.watched.insert(slot);
        self.poke(slot);
    }

    /// Takes the batches that came while the fetch was under way. Of those that came before it, the
    /// reply has all that Redis has not lost.
    fn empty_inbox(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let mirror = &mut room.mirror;
        mirror.inbox_bytes = 0;
        let older = mem::take(&mut mirror.inbox_before_fetch);
        for entry in mem::take(&mut mirror.inbox).into_iter().skip(older) {
            // The mirror has every batch that Redis had published before the read, in any epoch.
            if entry.until.offset > self.local.archive.get(slot).position().offset {
                self.receive(slot, entry, now, arrived);
            }
        }
    }

    /// Takes the next batch: it goes on to the members, with the local part if it is one of ours.
    fn arrive(&mut self, slot: RoomSlot, entry: Entry, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let Entry { until, node, sequence, messages } = entry;
        let count = messages.len();
        let mut position = Position { offset: until.offset.back(count), ..until };
        let messages: Vec<Arc<Message>> = messages
            .into_iter()
            .map(|stored| {
                position.offset = position.offset.next();
                let source = Source::new(None, false); // one for all: Redis does not know addresses
                self.local.archive.insert(slot, message_at(stored, position, now), source, now)
            })
            .collect();
        let forgotten = self.local.archive.get(slot).forgotten();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        room.mirror.note_batch(BatchEnd { until, messages: count, node, sequence }, forgotten);
        let ours = room.outbox.under_way.as_ref().is_some_and(|batch| batch.sequence == sequence);
        if ours && node == self.id {
            return self.confirm(slot, until, 0, messages, now, arrived);
        }
        if room.mirror.is_open {
            arrived.push_back(Arrival::Messages(Ordered {
                room: slot,
                answer: Ok(crate::backplane::Published { position: until, messages: count, receivers: 0 }),
                messages: SmallVec::from_vec(messages),
                pending: None,
            }));
        }
    }

    /// Answers the requests that the mirror can answer now. Others wait for the end of the time in
    /// which Redis may be given back what they are ahead by.
    fn answer_recalls(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let restore_until = self.restore_until().filter(|until| *until > now);
        let history = self.local.archive.get(slot);
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if !room.mirror.is_current {
            return; // a batch in the inbox was not the next one
        }
        let is_ahead = |recall: &Recall, history: &History| {
            let epoch = history.position().epoch;
            recall.request.since.is_some_and(|since| since.epoch == epoch && !history.has_reached(since))
        };
        for recall in mem::take(&mut room.recalls) {
            if restore_until.is_some() && is_ahead(&recall, history) {
                (room.mirror.wants_fetch, room.mirror.retry_at) = (true, restore_until);
                room.recalls.push(recall);
            } else {
                arrived.push_back(self.local.recall(slot, recall.request, recall.asker));
            }
        }
    }

    /// Answers requests that have waited for too long: as far as the mirror knows, or not at all.
    pub(super) fn give_up_recalls(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let patience = self.times.patience;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        for recall in mem::take(&mut room.recalls) {
            if now.saturating_duration_since(recall.since) < patience {
                room.recalls.push(recall);
            } else if room.mirror.is_open {
                arrived.push_back(self.local.recall(slot, recall.request, recall.asker));
            } else {
                arrived.push_back(Arrival::Unavailable { room: slot, asker: recall.asker });
            }
        }
    }

    /// Gives Redis what it has lost after `top`; the whole room if it has none.
    fn restore(&mut self, slot: RoomSlot, top: Option<Offset>) {
        let Some(life) = self.connection.as_ref().map(|connection| connection.life.clone()) else { return };
        let history = self.local.archive.get(slot);
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let after = top.unwrap_or_default().max(history.forgotten());
        let mut kept = history.newest(history.messages()).into_iter().peekable();
        let mut entries = Vec::new();
        let mut restored = 0;
        for BatchEnd { until, messages: count, node, sequence } in &room.mirror.batches {
            if until.offset.back(*count) < after {
                continue; // Redis has it, or a part of it is forgotten here
            }
            while kept.next_if(|message| message.position.offset <= until.offset.back(*count)).is_some() {}
            let mut messages = Vec::with_capacity(*count);
            while let Some(message) = kept.next_if(|message| message.position.offset <= until.offset) {
                messages.push(StoredMessage {
                    payload: message.payload.clone(),
                    who: message.who,
                    audience: message.audience,
                    time: message.time,
                });
            }
            restored += messages.len() as u64;
            entries.push(Entry { until: *until, node: *node, sequence: *sequence, messages });
        }
        let call = Call::Restore(Restore {
            room: room.name.clone(),
            life,
            until: history.position(),
            forks: history.forks().to_vec(),
            sequences: room.mirror.sequences.clone(),
            entries,
            limits: room.limits,
        });
        room.mirror.is_calling = true;
        let purpose = Purpose::Restore(slot, room.generation, restored);
        self.fetching += 1;
        self.call(call, purpose);
    }

    /// After a restoration Redis is asked again: another node may have been first.
    pub(super) fn restored(&mut self, slot: RoomSlot, generation: u64, messages: u64, reply: Reply) {
        let Some(room) = self.room_of(slot, generation) else { return };
        (room.mirror.is_calling, room.mirror.wants_fetch) = (false, true);
        if reply == Reply::Restored {
            self.counts.restored += messages;
        }
        self.poke(slot);
    }

    /// Lets some rooms be compared with Redis, so that each open one is within a minute.
    pub(super) fn sweep_some(&mut self, now: Instant) {
        let rooms = self.rooms.len();
        let Sweep { next, share, at } = &mut self.sweep;
        let passed = now.saturating_duration_since(at.replace(now).unwrap_or(now));
        *share += rooms as f64 * passed.as_secs_f64() / SWEEP.as_secs_f64();
        let due = (*share as usize).min(rooms);
        if due == 0 {
            return;
        }
        let first = std::mem::replace(next, (*next + due) % rooms);
        *share = share.fract();
        for at in (first..first + due).map(|at| at % rooms) {
            if let Some(room) = self.rooms[at].as_mut()
                && room.mirror.is_open
            {
                room.mirror.wants_fetch = true;
                self.poke(RoomSlot(at as u32));
            }
        }
    }
}
