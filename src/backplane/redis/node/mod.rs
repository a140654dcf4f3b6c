//! The part of a node in the order of several nodes: a mirror of each room that has members here,
//! and the batches that Redis has not confirmed. Plain data, without a socket and without a clock.
//!
//! Events of the link come in, calls for it go out, and steps in the order of each room are
//! appended to a list of arrivals. ../../../../docs/architecture.md describes the rules.

mod calls; // the next calls of each room
mod members; // clients and speakers of all nodes
mod farewells; // rooms that were closed here
mod mirror; // what Redis has, and what this node has of it
mod outbox; // batches on their way to Redis
mod queries; // rooms without members on this node

use super::{
    call::{Call, CallId, Life, LinkEvent, Outgoing, Push, Reply},
    entry::{NodeId, Sequence},
};
use crate::{
    backplane::{Arrival, Asker, GetPresence, NoticeList, Query, Single, Submission, Waiter},
    config::RoomName,
    history::{HistoryLimits, HistoryRequest},
    ids::RoomSlot,
};
use farewells::Farewells;
use members::RoomMembers;
use mirror::Mirror;
use outbox::Outbox;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

/// The times of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeTimes {
    /// The time after which a publisher or a newcomer that waits is told so
    /// (`session.stalled_write`).
    pub patience: Duration,
    /// The time for which Redis keeps idempotency keys (`publish.idempotency_window`).
    pub key_window: Duration,
}

/// The time for which a room without members stays open here: its clients may be back at once.
const LINGER: Duration = Duration::from_secs(5);

/// The time in which every open room is compared with Redis once.
const SWEEP: Duration = Duration::from_secs(60);

/// A node, as Redis and the hub know it.
pub struct Node {
    id: NodeId,
    /// The mirrors and the idempotency keys of this node.
    pub(in crate::backplane) local: Single,
    times: NodeTimes,
    connection: Option<Connection>,
    rooms: Vec<Option<Box<NodeRoom>>>,
    by_name: HashMap<RoomName, RoomSlot>,
    /// The calls without a reply, of the present connection.
    calls: HashMap<CallId, Purpose>,
    last_call: u64,
    last_sequence: u64,
    last_generation: u64,
    /// Calls that are not handed to the link yet.
    outgoing: Vec<Outgoing>,
    /// Rooms for which a call may be due.
    due: VecDeque<RoomSlot>,
    /// Rooms to subscribe to.
    to_subscribe: Vec<RoomSlot>,
    /// Calls without a reply that read or restore a room.
    fetching: usize,
    /// Rooms in which something waits.
    watched: BTreeSet<RoomSlot>,
    sweep: Sweep,
    farewells: Farewells,
    /// Rooms whose subscription is being ended, with the number of these calls.
    ending: HashMap<RoomName, usize>,
    tickets: Tickets,
    /// Rooms without members whose time here is over.
    over: Vec<RoomSlot>,
    counts: Counts,
}

/// Numbers for the metrics, since they were taken last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Holes and lost tails that were filled from Redis.
    pub gaps_filled: u64,
    /// Messages that Redis was given back.
    pub restored: u64,
}

/// The place of the sweep among the rooms.
#[derive(Default)]
struct Sweep {
    /// The index of the next room.
    next: usize,
    /// Rooms that are due, with a fraction.
    share: f64,
    /// The time up to which they are counted.
    at: Option<Instant>,
}

struct Connection {
    life: Life,
    /// The end of the time in which Redis may be given back what it has lost.
    restore_until: Instant,
}

/// A room that is open on this node.
struct NodeRoom {
    name: RoomName,
    limits: HistoryLimits,
    /// Distinguishes it from other rooms at the same slot.
    generation: u64,
    is_due: bool,
    /// The number of submissions and changes of members so far.
    order: u64,
    mirror: Mirror,
    outbox: Outbox,
    members: RoomMembers,
    /// Requests that wait until the mirror can answer them.
    recalls: Vec<Recall>,
    /// The end of the time for which it stays open without members.
    lingers_until: Option<Instant>,
}

/// A request for a part of a history that waits for the mirror.
struct Recall {
    since: Instant,
    request: HistoryRequest,
    asker: Asker,
}

/// The use of a reply.
enum Purpose {
    Publish(RoomSlot, u64, Sequence),
    Fetch(RoomSlot, u64),
    Restore(RoomSlot, u64, u64),
    Members(RoomSlot, u64),
    Subscribe(Vec<(RoomSlot, u64)>),
    Unsubscribe(RoomName),
    Farewell(RoomName, u64),
    Life,
    Query(Query),
}

/// The submissions that have not arrived, in their order, and the requests that wait for them.
#[derive(Default)]
struct Tickets {
    last: u64,
    open: BTreeSet<u64>,
    waiters: VecDeque<(u64, Waiter)>,
}

impl Tickets {
    fn open(&mut self) -> u64 {
        self.last += 1;
        self.open.insert(self.last);
        self.last
    }

    fn close(&mut self, ticket: u64, arrived: &mut VecDeque<Arrival>) {
        self.open.remove(&ticket);
        self.release(arrived);
    }

    /// Forgets submissions of a room that is closed.
    fn abandon(&mut self, tickets: impl Iterator<Item = u64>) {
        for ticket in tickets {
            self.open.remove(&ticket);
        }
    }

    /// Gives back the waiters whose turn has come.
    fn release(&mut self, arrived: &mut VecDeque<Arrival>) {
        let oldest = self.open.first().copied().unwrap_or(u64::MAX);
        while let Some((_, waiter)) = take_first_if(&mut self.waiters, |(after, _)| *after < oldest) {
            arrived.push_back(Arrival::Settled(waiter));
        }
    }
}

/// Removes the first element, if it is one of these.
fn take_first_if<T>(queue: &mut VecDeque<T>, is_one: impl FnOnce(&T) -> bool) -> Option<T> {
    queue.front().is_some_and(is_one).then(|| queue.pop_front()).flatten()
}

impl Node {
    /// A node without rooms, not connected.
    pub fn new(id: NodeId, local: Single, times: NodeTimes) -> Self {
        Self {
            id,
            local,
            times,
            connection: None,
            rooms: Vec::new(),
            by_name: HashMap::new(),
            calls: HashMap::new(),
            last_call: 0,
            last_sequence: 0,
            last_generation: 0,
            outgoing: Vec::new(),
            due: VecDeque::new(),
            to_subscribe: Vec::new(),
            fetching: 0,
            watched: BTreeSet::new(),
            sweep: Sweep::default(),
            farewells: Farewells::default(),
            ending: HashMap::new(),
            tickets: Tickets::default(),
            over: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Opens a room, of which nothing is known yet.
    pub fn open(&mut self, slot: RoomSlot, name: &RoomName, limits: HistoryLimits) {
        self.local.archive.open(slot, limits);
        if self.rooms.len() <= slot.index() {
            self.rooms.resize_with(slot.index() + 1, || None);
        }
        self.last_generation += 1;
        self.by_name.insert(name.clone(), slot);
        self.rooms[slot.index()] = Some(Box::new(NodeRoom {
            name: name.clone(),
            limits,
            generation: self.last_generation,
            is_due: false,
            order: 0,
            mirror: Mirror::default(),
            outbox: Outbox::default(),
            members: RoomMembers::new(self.farewells.take_back(name)),
            recalls: Vec::new(),
            lingers_until: None,
        }));
    }

    /// Closes a room. Redis and the other nodes keep it.
    pub fn forget(&mut self, slot: RoomSlot) {
        self.local.archive.close(slot);
        let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::take) else { return };
        self.by_name.remove(&room.name);
        self.tickets.abandon(room.outbox.tickets());
        self.watched.remove(&slot);
        if self.by_name.is_empty() {
            self.rooms = Vec::new(); // gives its memory back
        }
        self.say_goodbye(*room);
    }

    /// Submits messages of an open room.
    pub fn submit(&mut self, submission: Submission, now: Instant) {
        let slot = submission.room;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        room.order += 1;
        room.outbox.push(submission, self.tickets.open(), room.order, now);
        self.watched.insert(slot);
        self.poke(slot);
    }

    /// Announces joins and leaves of this node in an open room.
    pub fn announce(&mut self, notices: NoticeList) {
        let slot = notices.room;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        room.order += 1;
        room.members.announce(notices, room.order);
        self.poke(slot);
    }

    /// Asks for a part of the history of an open room, which has members here from now on or a
    /// reader.
    pub fn recall(
        &mut self,
        slot: RoomSlot,
        request: HistoryRequest,
        asker: Asker,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        room.mirror.is_wanted = true;
        room.lingers_until = None;
        if room.mirror.is_open {
            let history = self.local.archive.get(slot);
            if request.since.is_none_or(|since| history.has_reached(since)) {
                return arrived.push_back(self.local.recall(slot, request, asker));
            }
            room.mirror.wants_fetch = true;
        }
        room.recalls.push(Recall { since: now, request, asker });
        self.watched.insert(slot);
        self.poke(slot);
    }

    /// Gives `waiter` back when everything that was submitted before has arrived.
    pub fn settle(&mut self, waiter: Waiter, now: Instant, arrived: &mut VecDeque<Arrival>) {
        match waiter {
            Waiter::Presence(request) => self.ask_presence(request, now, arrived),
            waiter => {
                self.tickets.waiters.push_back((self.tickets.last, waiter));
                self.tickets.release(arrived);
            }
        }
    }

    fn ask_presence(&mut self, request: GetPresence, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let slot = self.by_name.get(&request.room).copied();
        let Some((slot, room)) = slot.and_then(|slot| Some((slot, self.rooms[slot.index()].as_mut()?)))
        else {
            return;
        };
        if room.members.is_settled() {
            return arrived.push_back(Arrival::Settled(Waiter::Presence(request)));
        }
        room.members.requests.push((now, request));
        self.watched.insert(slot);
    }

    /// Returns true if the room at `slot` has a mirror here, or is about to have one.
    pub fn has_mirror(&self, slot: RoomSlot) -> bool {
        self.rooms.get(slot.index()).and_then(Option::as_ref).is_some_and(|room| room.mirror.is_wanted)
    }

    /// Returns true while something that was submitted in the room at `slot` has not arrived.
    pub fn is_pending(&self, slot: RoomSlot) -> bool {
        let room = self.rooms.get(slot.index()).and_then(Option::as_ref);
        room.is_some_and(|room| room.outbox.is_pending() || !room.recalls.is_empty())
    }

    /// Returns true if the room at `slot`, which has no members, may be closed now. A mirror stays
    /// for a moment first.
    pub fn is_over(&mut self, slot: RoomSlot, now: Instant) -> bool {
        let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) else { return true };
        if !room.mirror.is_wanted {
            return true;
        }
        if let Some(until) = room.lingers_until {
            return until <= now;
        }
        room.lingers_until = Some(now + LINGER);
        self.watched.insert(slot);
        false
    }

    /// Takes the rooms without members whose time here is over.
    pub fn take_over(&mut self) -> Vec<RoomSlot> {
        std::mem::take(&mut self.over)
    }

    /// Takes the numbers for the metrics.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Submissions that have not arrived, and requests that wait for the mirror of their room.
    pub fn waiting(&self) -> usize {
        let watched = self.watched.iter().filter_map(|slot| self.rooms.get(slot.index())?.as_ref());
        let requests = watched.map(|room| room.recalls.len() + room.members.requests.len());
        self.tickets.open.len() + requests.sum::<usize>()
    }

    /// Handles an event of the link.
    pub fn handle(&mut self, event: LinkEvent, now: Instant, arrived: &mut VecDeque<Arrival>) {
        match event {
            LinkEvent::Connected { life, restore } => self.connected(life, now + restore),
            LinkEvent::Disconnected => self.disconnected(),
            LinkEvent::LifeChanged { life, restore } => self.life_changed(life, now + restore),
            LinkEvent::Replied(id, reply) => {
                if let Some(purpose) = self.calls.remove(&id) {
                    self.handle_reply(purpose, reply, now, arrived);
                }
            }
            LinkEvent::Pushed(room, push) => {
                let Some(slot) = self.by_name.get(&room).copied() else { return };
                match push {
                    Push::Messages(entry) => self.receive(slot, entry, now, arrived),
                    Push::Members { node, sequence, clients, joined, left } => {
                        self.members_changed(slot, node, sequence, clients, joined, left, now, arrived);
                    }
                }
            }
            LinkEvent::Unsubscribed(room) => {
                let slot = self.by_name.get(&room).copied();
                if let Some(slot) = slot
                    && let Some(room) = self.rooms[slot.index()].as_mut()
                {
                    room.mirror.reset_link();
                    room.members.reset_link(); // a change may have been missed
                    self.poke(slot);
                }
            }
            LinkEvent::Reaped => self.assert_members(),
        }
    }

    /// Does what has become due: deadlines, repetitions, the sweep.
    pub fn tick(&mut self, now: Instant, arrived: &mut VecDeque<Arrival>) {
        for slot in self.watched.iter().copied().collect::<Vec<_>>() {
            self.watch(slot, now, arrived);
        }
        self.sweep_some(now);
        self.tickets.release(arrived);
    }

    /// Takes the calls that are due.
    pub fn take_calls(&mut self, now: Instant) -> Vec<Outgoing> {
        self.plan_due(now);
        std::mem::take(&mut self.outgoing)
    }

    fn connected(&mut self, life: Life, restore_until: Instant) {
        self.disconnected();
        self.connection = Some(Connection { life, restore_until });
        self.farewells.repeat();
        self.poke_all();
    }

    fn disconnected(&mut self) {
        self.connection = None;
        self.calls.clear(); // queries end without an answer
        self.due.clear();
        self.farewells.reset_link();
        self.ending.clear();
        self.outgoing.clear();
        self.to_subscribe.clear();
        self.fetching = 0;
        for room in self.rooms.iter_mut().flatten() {
            room.mirror.reset_link();
            room.outbox.reset_link();
            room.members.reset_link();
            room.is_due = false;
        }
    }

    /// Redis is another process, or has lost its data: everything is compared with it.
    fn life_changed(&mut self, life: Life, restore_until: Instant) {
        if let Some(connection) = &mut self.connection {
            *connection = Connection { life, restore_until };
            for room in self.rooms.iter_mut().flatten() {
                room.mirror.distrust();
                room.members.tell_all();
            }
            self.farewells.repeat();
            self.poke_all();
        }
    }

    fn poke_all(&mut self) {
        for index in 0..self.rooms.len() {
            if self.rooms[index].is_some() {
                self.poke(RoomSlot(index as u32));
            }
        }
    }

    /// Notes that a call may be due in a room; a new connection looks at all of them.
    fn poke(&mut self, slot: RoomSlot) {
        if self.connection.is_some()
            && let Some(room) = self.rooms[slot.index()].as_mut()
            && !std::mem::replace(&mut room.is_due, true)
        {
            self.due.push_back(slot);
        }
    }

    /// The room of a reply, if it is still the same.
    fn room_of(&mut self, slot: RoomSlot, generation: u64) -> Option<&mut NodeRoom> {
        let room = self.rooms.get_mut(slot.index())?.as_deref_mut()?;
        (room.generation == generation).then_some(room)
    }

    fn next_sequence(&mut self) -> Sequence {
        self.last_sequence += 1;
        Sequence(self.last_sequence)
    }

    fn call(&mut self, call: Call, purpose: Purpose) {
        self.last_call += 1;
        let id = CallId(self.last_call);
        self.calls.insert(id, purpose);
        self.outgoing.push(Outgoing { id, call });
    }

    fn handle_reply(
        &mut self,
        purpose: Purpose,
        reply: Reply,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        if let Reply::Wait { over } = reply
            && let Some(connection) = &mut self.connection
        {
            connection.restore_until = now + over;
        }
        if reply == Reply::OtherLife {
            self.ask_life();
        }
        match purpose {
            Purpose::Publish(slot, generation, sequence) => {
                self.published(slot, generation, sequence, reply, now, arrived);
            }
            Purpose::Fetch(slot, generation) => {
                self.fetching -= 1;
                self.fetched(slot, generation, reply, now, arrived);
            }
            Purpose::Restore(slot, generation, messages) => {
                self.fetching -= 1;
                self.restored(slot, generation, messages, reply);
            }
            Purpose::Members(slot, generation) => {
                if let Some(room) = self.room_of(slot, generation) {
                    room.members.is_calling = false;
                    self.poke(slot);
                }
            }
            Purpose::Subscribe(rooms) => self.subscribed(rooms),
            Purpose::Unsubscribe(room) => {
                let calls = self.ending.remove(&room).unwrap_or(1);
                if calls > 1 {
                    self.ending.insert(room, calls - 1);
                } else if let Some(slot) = self.by_name.get(&room).copied() {
                    self.poke(slot); // it was opened again
                }
            }
            Purpose::Farewell(room, number) => self.farewells.confirm(room, number, now),
            Purpose::Life => {
                if let Reply::Life(life, restore) = reply {
                    self.life_changed(life, now + restore);
                }
            }
            Purpose::Query(query) => queries::answer(query, reply, now),
        }
    }
}
