//! A Redis in memory for tests: what the scripts do, as plain data, with failures on demand.

use super::{
    call::{Call, Fetch, Life, Members, Publish, Push, Reply, Restore, RoomState},
    codec,
    entry::{Entry, NodeId, Sequence, StoredMessage},
    scripts,
};
use crate::{
    config::RoomName,
    history::{HistoryLimits, Offset, Position},
    ids::SpeakerId,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// States that a replica can lag behind.
const MAX_LAG: usize = 64;

/// The publications that a call has caused, in their order.
pub type Pushes = Vec<(RoomName, Push)>;

/// One process of Redis with its data. Times are in milliseconds since 1970 and do not go back.
///
/// A clone is a second process with the same data, as a replica that does not lag: after a split,
/// one of the two fails over, and nodes go on talking to both.
#[derive(Clone, Debug)]
pub struct FakeRedis {
    /// The time after the beginning of a life in which rooms may be restored.
    restore: Duration,
    /// The number of processes so far, of all clones.
    processes: Arc<AtomicU64>,
    run_id: Life,
    data: Data,
    /// The data before each of the last calls that changed it, the oldest first.
    earlier: VecDeque<Data>,
}

/// Everything that a replica has too. Clones share the rooms that do not change.
#[derive(Clone, Debug, Default, PartialEq)]
struct Data {
    /// The life that was noted last, and the time of the note.
    life: Option<(Life, u64)>,
    rooms: BTreeMap<RoomName, Arc<Room>>,
    members: BTreeMap<RoomName, Arc<RoomMembers>>,
    keys: BTreeMap<(RoomName, String), UsedKey>,
}

#[derive(Clone, Debug, PartialEq)]
struct Room {
    until: Position,
    life: Option<Life>,
    forks: Vec<Position>,
    sequences: BTreeMap<NodeId, (Sequence, Position)>,
    /// The cost of all messages since the room began.
    cost: usize,
    log: VecDeque<Logged>,
    /// Every batch that was appended, also those that the history has forgotten.
    all: Vec<Arc<Entry>>,
    expires: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Logged {
    entry: Arc<Entry>,
    /// The cost of everything before its last message, since the room began.
    before_last: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct RoomMembers {
    clients: BTreeMap<NodeId, usize>,
    speakers: BTreeMap<SpeakerId, Vec<NodeId>>,
    expires: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct UsedKey {
    fingerprint: u64,
    until: Position,
    messages: usize,
    expires: u64,
}

impl FakeRedis {
    /// Starts an empty Redis; the window of its first life ends `restore` after the first call of
    /// [`FakeRedis::life`].
    pub fn new(restore: Duration) -> Self {
        let processes = Arc::new(AtomicU64::new(0));
        let run_id = next_life(&processes);
        Self { restore, processes, run_id, data: Data::default(), earlier: VecDeque::new() }
    }

    /// Notes which process this is, and returns it with the rest of the window: the life script.
    pub fn life(&mut self, now: u64) -> (Life, Duration) {
        if self.data.life.as_ref().map(|(life, _)| life) != Some(&self.run_id) {
            self.keep_earlier();
            self.data.life = Some((self.run_id.clone(), now));
        }
        (self.run_id.clone(), self.rest(now))
    }

    /// Carries out a call of `node`, and returns what is published by it. Lists of subscriptions
    /// are [`Reply::Done`] and remembered by the caller.
    pub fn call(&mut self, node: NodeId, call: &Call, now: u64) -> (Reply, Pushes) {
        self.keep_earlier();
        self.data.expire(now);
        let rooms = self.data.rooms.len();
        let mut pushes = Vec::new();
        let reply = match call {
            Call::Publish(publish) => self.publish(node, publish, now, &mut pushes),
            Call::Fetch(fetch) => self.fetch(fetch, now),
            Call::Restore(restore) => self.restore(restore, now, &mut pushes),
            Call::Members(members) => self.data.members(node, members, now, &mut pushes),
            Call::Subscribe(_) | Call::Unsubscribe(_) => Reply::Done,
            Call::GetLife => {
                let (life, restore) = self.life(now);
                Reply::Life(life, restore)
            }
        };
        let is_change = match reply {
            Reply::Published { .. } | Reply::Restored => true, // a new life is kept by itself
            Reply::Room(_) => self.data.rooms.len() != rooms,
            Reply::Done => matches!(call, Call::Members(_)),
            _ => false,
        };
        if !is_change {
            self.earlier.pop_back();
        }
        (reply, pushes)
    }

    /// A replica takes over that has not received the last `lose_last` changes, at most 64.
    pub fn fail_over(&mut self, lose_last: usize) {
        for _ in 0..lose_last {
            let Some(earlier) = self.earlier.pop_back() else { break };
            self.data = earlier;
        }
        self.run_id = next_life(&self.processes);
    }

    /// Redis restarts without its data.
    pub fn wipe(&mut self) {
        self.flush();
        self.run_id = next_life(&self.processes);
    }

    /// The data are removed while Redis goes on: `FLUSHALL`.
    pub fn flush(&mut self) {
        self.keep_earlier();
        self.data = Data::default();
    }

    /// Notes a life with the beginning of its window, without any process.
    pub fn note_life(&mut self, life: Life, since: u64) {
        self.keep_earlier();
        self.data.life = Some((life, since));
    }

    /// The position after the last message of a room.
    pub fn position(&self, room: &RoomName) -> Option<Position> {
        self.data.rooms.get(room).map(|room| room.until)
    }

    /// The ends of earlier epochs of a room, the oldest first.
    pub fn forks(&self, room: &RoomName) -> Vec<Position> {
        self.data.rooms.get(room).map(|room| room.forks.clone()).unwrap_or_default()
    }

    /// The batches in the history of a room, the oldest first.
    pub fn entries(&self, room: &RoomName) -> Vec<Arc<Entry>> {
        let room = self.data.rooms.get(room);
        room.map(|room| room.log.iter().map(|logged| logged.entry.clone()).collect()).unwrap_or_default()
    }

    /// The batches that were appended to a room, also those that its history has forgotten.
    pub fn appended(&self, room: &RoomName) -> &[Arc<Entry>] {
        self.data.rooms.get(room).map_or(&[], |room| &room.all)
    }

    fn keep_earlier(&mut self) {
        if self.earlier.len() == MAX_LAG {
            self.earlier.pop_front();
        }
        self.earlier.push_back(self.data.clone());
    }

    /// The rest of the window of the life that was noted.
    fn rest(&self, now: u64) -> Duration {
        let since = self.data.life.as_ref().map_or(0, |(_, since)| *since);
        Duration::from_millis((since + scripts::millis(self.restore)).saturating_sub(now))
    }

    fn is_life(&self, life: &Life) -> bool {
        self.data.life.as_ref().is_some_and(|(noted, _)| noted == life)
    }

    fn publish(&mut self, node: NodeId, publish: &Publish, now: u64, pushes: &mut Pushes) -> Reply {
        let Publish { room: name, life, sequence, messages, key, limits, epoch } = publish;
        if !self.is_life(life) {
            return Reply::OtherLife;
        }
        let key_id = key.as_ref().map(|(key, _)| (name.clone(), key.key.clone()));
        if let Some(used) = key_id.as_ref().and_then(|id| self.data.keys.get(id)) {
            let UsedKey { fingerprint, until, messages, .. } = *used;
            return Reply::KeyUsed { fingerprint, until, messages };
        }
        let known = self.data.rooms.get(name);
        if let Some((last, until)) = known.and_then(|room| room.sequences.get(&node))
            && last >= sequence
        {
            return Reply::Repeated { until: *until };
        }
        let begins = known.is_none_or(|room| room.life.as_ref() != Some(life));
        let over = self.rest(now);
        if begins && !over.is_zero() {
            return Reply::Wait { over };
        }

        let start = Position { epoch: *epoch, offset: Offset::default() };
        let room = self.data.rooms.entry(name.clone()).or_insert_with(|| Arc::new(Room::new(start)));
        let room = Arc::make_mut(room);
        if begins {
            if room.until.epoch != *epoch {
                room.forks.push(room.until);
                room.forks = scripts::last_forks(&room.forks).to_vec();
            }
            (room.until.epoch, room.life) = (*epoch, Some(life.clone()));
        }
        let offset = Offset::from_u64(room.until.offset.to_u64() + messages.len() as u64);
        let entry = Entry {
            until: Position { offset, ..room.until },
            node,
            sequence: *sequence,
            messages: messages.clone(),
        };
        let until = entry.until;
        pushes.push((name.clone(), Push::Messages(entry.clone())));
        room.append(Arc::new(entry));
        room.trim(limits);
        room.prune_nodes();
        room.expires = now + scripts::time_to_live(limits);
        if let (Some(id), Some((key, window))) = (key_id, key) {
            let expires = now + scripts::millis(*window).max(1);
            let used = UsedKey { fingerprint: key.fingerprint, until, messages: messages.len(), expires };
            self.data.keys.insert(id, used);
        }
        let clients = self.data.members.get(name).map_or(0, |members| members.clients.values().sum());
        Reply::Published { until, clients }
    }

    fn fetch(&mut self, fetch: &Fetch, now: u64) -> Reply {
        let Fetch { room: name, life, after, begin, limits } = fetch;
        if !self.is_life(life) {
            return Reply::OtherLife;
        }
        let restore = self.rest(now);
        if !self.data.rooms.contains_key(name) {
            let Some(epoch) = *begin else { return Reply::NoRoom };
            if !restore.is_zero() {
                return Reply::Wait { over: restore };
            }
            let mut room = Room::new(Position { epoch, offset: Offset::default() });
            room.life = Some(life.clone());
            self.data.rooms.insert(name.clone(), Arc::new(room));
        }
        let expires = now + scripts::time_to_live(limits);
        let room = Arc::make_mut(self.data.rooms.get_mut(name).expect("it is there now"));
        room.expires = expires;
        let age = scripts::millis(limits.age);
        while room.log.front().is_some_and(|logged| time_of(&logged.entry) + age <= now) {
            room.log.pop_front();
        }
        let known = after.filter(|after| room.has(*after)).map(|after| after.offset);
        let entries = room.log.iter().map(|logged| &*logged.entry);
        let entries = entries.filter(|entry| known.is_none_or(|known| entry.until.offset > known)).cloned();
        let mut state = RoomState {
            until: room.until,
            is_of_this_life: room.life.as_ref() == Some(life),
            forks: room.forks.clone(),
            entries: entries.collect(),
            sequences: room.sequences.iter().map(|(node, (sequence, _))| (*node, *sequence)).collect(),
            clients: Vec::new(),
            speakers: Vec::new(),
            restore,
        };
        if let Some(members) = self.data.members.get_mut(name) {
            let members = Arc::make_mut(members);
            members.expires = expires;
            state.clients = members.clients.iter().map(|(node, clients)| (*node, *clients)).collect();
            state.speakers = members.speakers.keys().copied().collect();
        }
        Reply::Room(state)
    }

    fn restore(&mut self, restore: &Restore, now: u64, pushes: &mut Pushes) -> Reply {
        let Restore { room: name, life, until, forks, sequences, entries, limits } = restore;
        if !self.is_life(life) {
            return Reply::OtherLife;
        }
        let known = self.data.rooms.get(name);
        let had = known.map(|room| room.until.offset);
        if let Some(room) = known
            && (room.until.epoch != until.epoch
                || room.life.as_ref() == Some(life)
                || until.offset <= room.until.offset)
        {
            return Reply::Kept;
        }
        let room = self.data.rooms.entry(name.clone()).or_insert_with(|| {
            Arc::new(Room { forks: scripts::last_forks(forks).to_vec(), ..Room::new(*until) })
        });
        let room = Arc::make_mut(room);
        let entries = scripts::reaching(entries, *until).iter();
        let entries: Vec<_> =
            entries.filter(|entry| had.is_none_or(|had| entry.until.offset > had)).cloned().collect();
        let first = entries.first().map(|entry| entry.first());
        let is_cut = first.is_none_or(|first| had.is_none_or(|had| first > had.next()));
        if is_cut {
            room.log.clear();
            room.cost = 0;
        }
        for entry in entries {
            pushes.push((name.clone(), Push::Messages(entry.clone())));
            room.append(Arc::new(entry));
        }
        for (node, sequence) in sequences {
            room.note(*node, *sequence, *until);
        }
        room.until = *until;
        room.trim(limits);
        room.prune_nodes();
        room.expires = now + scripts::time_to_live(limits);
        Reply::Restored
    }
}

impl Data {
    fn expire(&mut self, now: u64) {
        self.rooms.retain(|_, room| room.expires > now);
        self.members.retain(|_, members| members.expires > now);
        self.keys.retain(|_, key| key.expires > now);
    }

    fn members(&mut self, node: NodeId, call: &Members, now: u64, pushes: &mut Pushes) -> Reply {
        let Members { room: name, sequence, clients, joined, left, whole } = call;
        let members = Arc::make_mut(self.members.entry(name.clone()).or_default());
        let before: Vec<_> = members.speakers.keys().copied().collect();
        if *whole {
            let stays = |speaker: &SpeakerId| joined.contains(speaker);
            members.speakers.retain(|speaker, nodes| {
                nodes.retain(|other| *other != node || stays(speaker));
                !nodes.is_empty()
            });
        }
        for speaker in joined {
            let nodes = members.speakers.entry(*speaker).or_default();
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        for speaker in left {
            if let Some(nodes) = members.speakers.get_mut(speaker) {
                nodes.retain(|other| *other != node);
            }
        }
        members.speakers.retain(|_, nodes| !nodes.is_empty());
        let had_clients = match clients {
            0 => members.clients.remove(&node).is_some(),
            _ => members.clients.insert(node, *clients).is_some(),
        };
        let after: Vec<_> = members.speakers.keys().copied().collect();
        let joined: Vec<_> =
            after.iter().filter(|speaker| before.binary_search(speaker).is_err()).copied().collect();
        let left: Vec<_> =
            before.iter().filter(|speaker| after.binary_search(speaker).is_err()).copied().collect();
        members.expires = now + scripts::time_to_live(&NO_HISTORY);
        if members.clients.is_empty() && members.speakers.is_empty() {
            self.members.remove(name);
        }
        let is_told =
            sequence.0 != 0 || *clients > 0 || had_clients || !joined.is_empty() || !left.is_empty();
        if is_told {
            let push = Push::Members { node, sequence: *sequence, clients: *clients, joined, left };
            pushes.push((name.clone(), push));
        }
        Reply::Done
    }
}

const NO_HISTORY: HistoryLimits = HistoryLimits { messages: 0, age: Duration::ZERO, bytes: 0 };

impl Room {
    fn new(until: Position) -> Self {
        Self {
            until,
            life: None,
            forks: Vec::new(),
            sequences: BTreeMap::new(),
            cost: 0,
            log: VecDeque::new(),
            all: Vec::new(),
            expires: 0,
        }
    }

    /// Returns true if the room has, or had in an earlier epoch, this position.
    fn has(&self, position: Position) -> bool {
        let end = match position.epoch == self.until.epoch {
            true => Some(&self.until),
            false => self.forks.iter().find(|fork| fork.epoch == position.epoch),
        };
        end.is_some_and(|end| position.offset <= end.offset)
    }

    fn append(&mut self, entry: Arc<Entry>) {
        let cost: usize = entry.messages.iter().map(StoredMessage::cost).sum();
        let last = entry.messages.last().map_or(0, StoredMessage::cost);
        self.note(entry.node, entry.sequence, entry.until);
        self.until = entry.until;
        self.all.push(entry.clone());
        self.log.push_back(Logged { entry, before_last: self.cost + cost - last });
        self.cost += cost;
    }

    fn note(&mut self, node: NodeId, sequence: Sequence, until: Position) {
        let known = self.sequences.get(&node);
        if known.is_none_or(|(known, _)| *known < sequence) {
            self.sequences.insert(node, (sequence, until));
        }
    }

    /// Keeps the batches of which the last message is within the bounds.
    fn trim(&mut self, limits: &HistoryLimits) {
        let (messages, bytes) = scripts::bounds(limits);
        let oldest = self.until.offset.back(messages);
        let cost = self.cost;
        let is_excess =
            |logged: &Logged| logged.entry.until.offset <= oldest || cost - logged.before_last > bytes;
        while self.log.front().is_some_and(is_excess) {
            self.log.pop_front();
        }
    }

    fn prune_nodes(&mut self) {
        if self.sequences.len() <= 96 {
            return;
        }
        let mut nodes: Vec<_> =
            self.sequences.iter().map(|(node, (_, until))| (*node, until.offset)).collect();
        nodes.sort_by_key(|(node, offset)| (std::cmp::Reverse(*offset), *node));
        for (node, _) in &nodes[64..] {
            self.sequences.remove(node);
        }
    }
}

/// The time of the last message of a batch, in milliseconds since 1970.
fn time_of(entry: &Entry) -> u64 {
    entry.messages.last().map_or(0, |message| codec::to_millis(message.time))
}

fn next_life(processes: &AtomicU64) -> Life {
    Life(format!("{:040x}", processes.fetch_add(1, Ordering::Relaxed) + 1))
}
