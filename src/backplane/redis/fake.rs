//! A model of the scripts, for the simulation.

use super::{
    call::{
        Call, Fetch, Life, Members, NodeId, Publish, Push, Reply, Restore, RoomState, Sequence, first_of,
    },
    entry::Entry,
};
use crate::{
    config::RoomName,
    history::{Epoch, Offset, Position},
    ids::SpeakerId,
    wire::Payload,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

const RESTORE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct FakeRedis {
    run: Life,
    now: Duration,
    data: Data,
}

#[derive(Clone, Default)]
struct Data {
    life: Option<(Life, Duration)>,
    rooms: HashMap<RoomName, Room>,
}

#[derive(Clone)]
struct Room {
    epoch: Epoch,
    top: Offset,
    life: Option<Life>,
    forks: Vec<Position>,
    log: Vec<Entry>,
    sequences: BTreeMap<NodeId, (Sequence, Position)>,
    clients: BTreeMap<NodeId, usize>,
    speakers: BTreeMap<SpeakerId, BTreeSet<NodeId>>,
}

fn random_life() -> Life {
    Life(format!("{:032x}", fastrand::u128(..)))
}

impl FakeRedis {
    pub fn new() -> Self {
        Self { run: random_life(), now: Duration::ZERO, data: Data::default() }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub fn begin_life(&mut self) {
        self.run = random_life();
    }

    pub fn note_life(&mut self) -> (Life, Duration) {
        if self.data.life.as_ref().is_none_or(|(life, _)| *life != self.run) {
            self.data.life = Some((self.run.clone(), self.now));
        }
        (self.run.clone(), self.rest())
    }

    fn rest(&self) -> Duration {
        let since = self.data.life.as_ref().map_or(Duration::ZERO, |(_, since)| *since);
        (since + RESTORE).saturating_sub(self.now)
    }

    pub fn messages(&self, room: &RoomName) -> Vec<(Position, Payload)> {
        let entries = self.data.rooms.get(room).into_iter().flat_map(|room| &room.log);
        let of = |entry: &Entry| {
            let mut offset = first_of(entry.until.offset, entry.messages.len()).back(1);
            let until = entry.until;
            entry
                .messages
                .iter()
                .map(move |message| {
                    offset = offset.next();
                    (Position { offset, ..until }, message.payload.clone())
                })
                .collect::<Vec<_>>()
        };
        entries.flat_map(of).collect()
    }

    pub fn call(&mut self, node: NodeId, call: &Call) -> (Reply, Vec<(RoomName, Push)>) {
        let believed = match call {
            Call::Publish(publish) => Some(&publish.life),
            Call::Fetch(fetch) => Some(&fetch.life),
            Call::Restore(restore) => Some(&restore.life),
            _ => None,
        };
        if believed.is_some_and(|life| self.data.life.as_ref().is_none_or(|(known, _)| known != life)) {
            return (Reply::OtherLife, Vec::new());
        }
        match call {
            Call::Publish(publish) => self.publish(node, publish),
            Call::Fetch(fetch) => (self.fetch(fetch), Vec::new()),
            Call::Restore(restore) => self.restore(restore),
            Call::Members(members) => self.members(node, members),
            _ => unreachable!("the link does it"),
        }
    }

    fn publish(&mut self, node: NodeId, publish: &Publish) -> (Reply, Vec<(RoomName, Push)>) {
        let rest = self.rest();
        let wait = (Reply::Wait { over: rest }, Vec::new());
        let known = self.data.rooms.contains_key(&publish.room);
        if !known && !rest.is_zero() {
            return wait;
        }
        let run = self.run.clone();
        let room = self
            .data
            .rooms
            .entry(publish.room.clone())
            .or_insert_with(|| Room::new(publish.epoch, Some(run.clone())));
        if let Some((sequence, until)) = room.sequences.get(&node)
            && *sequence >= publish.sequence
        {
            return (Reply::Repeated { until: *until }, Vec::new());
        }
        if room.life.as_ref() != Some(&run) {
            if !rest.is_zero() {
                return wait;
            }
            room.forks.push(Position { epoch: room.epoch, offset: room.top });
            room.forks.drain(..room.forks.len().saturating_sub(8));
            (room.epoch, room.life) = (publish.epoch, Some(run));
        }
        for _ in &publish.messages {
            room.top = room.top.next();
        }
        let until = Position { epoch: room.epoch, offset: room.top };
        let entry = Entry { until, node, sequence: publish.sequence, messages: publish.messages.clone() };
        room.log.push(entry.clone());
        room.sequences.insert(node, (publish.sequence, until));
        let clients = room.clients.values().sum();
        (Reply::Published { until, clients }, vec![(publish.room.clone(), Push::Messages(entry))])
    }

    fn fetch(&mut self, fetch: &Fetch) -> Reply {
        let (rest, run) = (self.rest(), self.run.clone());
        if !self.data.rooms.contains_key(&fetch.room) {
            let Some(epoch) = fetch.begin else { return Reply::NoRoom };
            if !rest.is_zero() {
                return Reply::Wait { over: rest };
            }
            self.data.rooms.insert(fetch.room.clone(), Room::new(epoch, Some(run.clone())));
        }
        let room = &self.data.rooms[&fetch.room];
        let until = Position { epoch: room.epoch, offset: room.top };
        let ends = || room.forks.iter().copied().chain([until]);
        let from = fetch
            .after
            .filter(|after| ends().any(|end| end.epoch == after.epoch && after.offset <= end.offset));
        let from = from.map_or(Offset::default(), |from| from.offset);
        Reply::Room(RoomState {
            until,
            is_of_this_life: room.life.as_ref() == Some(&run),
            forks: room.forks.clone(),
            entries: room.log.iter().filter(|entry| entry.until.offset > from).cloned().collect(),
            sequences: room.sequences.iter().map(|(node, (sequence, _))| (*node, *sequence)).collect(),
            clients: room.clients.iter().map(|(node, clients)| (*node, *clients)).collect(),
            speakers: room.speakers.keys().copied().collect(),
            restore: rest,
        })
    }

    fn restore(&mut self, restore: &Restore) -> (Reply, Vec<(RoomName, Push)>) {
        let run = self.run.clone();
        let is_new = !self.data.rooms.contains_key(&restore.room);
        let room = self
            .data
            .rooms
            .entry(restore.room.clone())
            .or_insert_with(|| Room::new(restore.until.epoch, None));
        let fits = is_new
            || room.epoch == restore.until.epoch
                && room.life.as_ref() != Some(&run)
                && restore.until.offset > room.top;
        if !fits {
            return (Reply::Kept, Vec::new());
        }
        if is_new {
            room.forks = restore.forks.clone();
        }
        let top = room.top;
        let entries: Vec<_> =
            restore.entries.iter().filter(|entry| entry.until.offset > top).cloned().collect();
        let first = entries.first().map(|entry| first_of(entry.until.offset, entry.messages.len()));
        if first.is_none_or(|first| first > top.next()) {
            room.log.clear();
        }
        room.top = restore.until.offset;
        for (node, sequence) in &restore.sequences {
            let known = room.sequences.entry(*node).or_insert((Sequence(0), restore.until));
            if *sequence > known.0 {
                *known = (*sequence, restore.until);
            }
        }
        room.log.extend(entries.iter().cloned());
        let push = |entry| (restore.room.clone(), Push::Messages(entry));
        (Reply::Restored, entries.into_iter().map(push).collect())
    }

    fn members(&mut self, node: NodeId, members: &Members) -> (Reply, Vec<(RoomName, Push)>) {
        let Some(room) = self.data.rooms.get_mut(&members.room) else { return (Reply::Done, Vec::new()) };
        match members.clients {
            0 => drop(room.clients.remove(&node)),
            clients => drop(room.clients.insert(node, clients)),
        }
        let mut left: Vec<SpeakerId> = members.left.clone();
        if members.whole {
            let others = room
                .speakers
                .iter()
                .filter(|(who, nodes)| nodes.contains(&node) && !members.joined.contains(who));
            left.extend(others.map(|(who, _)| *who));
        }
        let (mut joins, mut leaves) = (Vec::new(), Vec::new());
        for who in &members.joined {
            let nodes = room.speakers.entry(*who).or_default();
            if nodes.is_empty() {
                joins.push(*who);
            }
            nodes.insert(node);
        }
        for who in left {
            if let Some(nodes) = room.speakers.get_mut(&who)
                && nodes.remove(&node)
                && nodes.is_empty()
            {
                room.speakers.remove(&who);
                leaves.push(who);
            }
        }
        let push = Push::Members {
            node,
            sequence: members.sequence,
            clients: members.clients,
            joined: joins,
            left: leaves,
        };
        (Reply::Done, vec![(members.room.clone(), push)])
    }
}

impl Room {
    fn new(epoch: Epoch, life: Option<Life>) -> Self {
        Self {
            epoch,
            top: Offset::default(),
            life,
            forks: Vec::new(),
            log: Vec::new(),
            sequences: BTreeMap::new(),
            clients: BTreeMap::new(),
            speakers: BTreeMap::new(),
        }
    }
}
