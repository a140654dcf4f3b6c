//! The next calls of each room: it is subscribed to, then read, then published in.

use super::{LINGER, Node, NodeRoom, Purpose, mirror::Subscription};
use crate::{
    backplane::{
        Arrival,
        redis::call::{Call, Members, Publish},
    },
    history::Epoch,
    ids::RoomSlot,
};
use std::{collections::VecDeque, time::Instant};

/// Calls without a reply that read or restore rooms.
const FETCHES: usize = 16;

/// Rooms in one list of subscriptions.
const SUBSCRIPTIONS: usize = 256;

impl Node {
    /// Plans the calls of every room for which one may be due.
    pub(super) fn plan_due(&mut self, now: Instant) {
        if self.connection.is_none() {
            return; // the rooms stay due
        }
        for _ in 0..self.due.len() {
            let Some(slot) = self.due.pop_front() else { break };
            if let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) {
                room.is_due = false;
                self.plan(slot, now);
            }
        }
        self.plan_subscriptions();
        self.plan_farewells();
    }

    /// Tells Redis that this node has no members in rooms that are closed here.
    fn plan_farewells(&mut self) {
        while self.connection.is_some()
            && let Some((room, number)) = self.farewells.next()
        {
            let sequence = self.next_sequence();
            let call = Members::none(room.clone(), sequence);
            self.call(Call::Members(call), Purpose::Farewell(room, number));
        }
    }

    fn plan(&mut self, slot: RoomSlot, now: Instant) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let mirror = &mut room.mirror;
        if mirror.is_wanted {
            match mirror.subscription {
                // A subscription must not overtake the end of the one before.
                Subscription::None if self.ending.contains_key(&room.name) => return,
                Subscription::None => {
                    mirror.subscription = Subscription::Requested;
                    return self.to_subscribe.push(slot);
                }
                Subscription::Requested => return,
                Subscription::Confirmed => {}
            }
            if mirror.wants_fetch && !mirror.is_calling && mirror.retry_at.is_none_or(|at| at <= now) {
                if self.fetching >= FETCHES {
                    return self.poke(slot); // again at the next turn
                }
                if let Some((call, purpose)) = self.fetch_call(slot) {
                    self.fetching += 1;
                    self.call(call, purpose);
                }
            }
        }
        // The join of a speaker comes before its messages, and its leave after them.
        self.plan_members(slot, now);
        self.plan_publication(slot, now);
        self.plan_members(slot, now);
    }

    /// Publishes the batch under way, again if its outcome is unknown. A mirror is brought up to
    /// Redis first: the batch may be there.
    fn plan_publication(&mut self, slot: RoomSlot, now: Instant) {
        let Some(life) = self.connection.as_ref().map(|connection| connection.life.clone()) else { return };
        let key_window = self.times.key_window;
        let sequence = self.next_sequence();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if room.mirror.is_wanted && !room.mirror.is_current {
            return;
        }
        let before = room.members.first_unsent().unwrap_or(u64::MAX);
        room.outbox.fill(before, sequence);
        let NodeRoom { name, limits, generation, outbox, .. } = room.as_mut();
        let Some(batch) = &mut outbox.under_way else { return };
        if batch.is_calling || batch.retry_at.is_some_and(|at| at > now) {
            return;
        }
        (batch.is_calling, batch.was_called, batch.retry_at) = (true, true, None);
        let publish = Publish {
            room: name.clone(),
            life,
            sequence: batch.sequence,
            messages: batch.messages.clone(),
            key: batch.key().map(|key| (key.clone(), key_window)),
            limits: *limits,
            epoch: Epoch::begin(),
        };
        let purpose = Purpose::Publish(slot, *generation, batch.sequence);
        self.call(Call::Publish(publish), purpose);
    }

    fn plan_members(&mut self, slot: RoomSlot, now: Instant) {
        let sequence = self.next_sequence();
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        if !room.mirror.is_current {
            return;
        }
        let before = room.outbox.first_unsent().unwrap_or(u64::MAX);
        let Some(members) = room.members.next_change(&room.name, sequence, before, now) else { return };
        let purpose = Purpose::Members(slot, room.generation);
        self.call(Call::Members(members), purpose);
    }

    fn plan_subscriptions(&mut self) {
        while !self.to_subscribe.is_empty() {
            let count = self.to_subscribe.len().min(SUBSCRIPTIONS);
            let mut rooms = Vec::with_capacity(count);
            let mut names = Vec::with_capacity(count);
            for slot in self.to_subscribe.drain(..count) {
                if let Some(room) = &self.rooms[slot.index()] {
                    rooms.push((slot, room.generation));
                    names.push(room.name.clone());
                }
            }
            self.call(Call::Subscribe(names), Purpose::Subscribe(rooms));
        }
    }

    /// Ends the subscription of a room that is closed here, and its members.
    pub(super) fn say_goodbye(&mut self, room: NodeRoom) {
        if room.members.may_be_known {
            self.farewells.add(room.name.clone(), self.connection.is_some());
            self.plan_farewells();
        }
        if self.connection.is_none() {
            return;
        }
        if room.mirror.subscription != Subscription::None {
            *self.ending.entry(room.name.clone()).or_default() += 1;
            self.call(Call::Unsubscribe(vec![room.name.clone()]), Purpose::Unsubscribe(room.name));
        }
    }

    /// Does what has become due in a room, and stops watching it if nothing waits.
    pub(super) fn watch(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        self.give_up(slot, now, arrived);
        self.give_up_recalls(slot, now, arrived);
        self.give_up_presence(slot, now, arrived);
        let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) else {
            self.watched.remove(&slot);
            return;
        };
        if let Some(until) = room.lingers_until
            && until <= now
        {
            self.over.push(slot);
        }
        let waits = !room.outbox.is_empty()
            || !room.recalls.is_empty()
            || room.mirror.retry_at.is_some()
            || room.lingers_until.is_some_and(|until| until + LINGER > now)
            || room.members.waits();
        if !waits {
            self.watched.remove(&slot);
        }
        self.poke(slot);
    }
}
