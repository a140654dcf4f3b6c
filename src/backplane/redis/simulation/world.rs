//! One schedule: nodes, clients and servers, and the next step at random.

use super::{
    super::{call::LinkEvent, entry::NodeId, fake::FakeRedis},
    Tally,
    client::{Client, Post, text_of},
    connection::Server,
    process::Process,
    variable,
};
use crate::{
    backplane::{
        Arrival, Asker, EpochChange, IdempotencyKey, KeyUse, NewEpoch, Newcomer, NotPosted, NoticeList,
        Ordered, Pending, Reply, Speaker, Submission,
    },
    config::RoomName,
    history::{Audience, HistoryLimits, HistoryRequest, HistorySlice, Message, NewMessage, Offset, Position},
    ids::{ConnectionId, RelayId, RoomSlot},
    limits::Source,
    room::Change,
    wire::Payload,
};
use smallvec::{SmallVec, smallvec};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::oneshot;

/// Processes of worldcast at any time.
pub const PROCESSES: usize = 3;

const CLIENTS: usize = 6;
const STEP: Duration = Duration::from_millis(25);
const RESTORE: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Everything in one schedule.
pub struct World {
    pub random: fastrand::Rng,
    pub now: Instant,
    /// The time of Redis, in milliseconds since 1970.
    pub unix: u64,
    /// All servers so far; the last one is the master.
    pub servers: Vec<Server>,
    pub processes: Vec<Process>,
    /// The nodes whose members Redis may have.
    dead: Vec<NodeId>,
    pub clients: Vec<Client>,
    pub posts: Vec<Post>,
    /// The failures of Redis at the first use of each text that has an idempotency key.
    keyed: HashMap<String, usize>,
    pub rooms: Vec<RoomName>,
    pub limits: HistoryLimits,
    patience: Duration,
    /// The chance of a failure in a step.
    trouble: f64,
    texts: usize,
    processes_so_far: u64,
    /// True while answers get lost.
    pub is_troubled: bool,
    /// True if a deposed master may go on.
    pub splits: bool,
    /// True if Redis has lost its data while the connections stayed: the next call of a room
    /// notices it.
    pub was_emptied: bool,
    is_verbose: bool,
    /// The events so far.
    pub trace: VecDeque<String>,
    pub tally: Tally,
}

impl World {
    pub fn new(seed: u64, splits: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let messages = [0, 5, 50, 10_000, 10_000][random.usize(..5)];
        let age = if random.u8(..5) == 0 { Duration::from_secs(12) } else { 30 * HOUR };
        let patience = if random.bool() { Duration::from_secs(2) } else { HOUR };
        let trouble = [0.002, 0.01, 0.04][random.usize(..3)];
        let rooms = ["news", "sport"].map(|name| name.parse().unwrap());
        let count = random.usize(1..=2);
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64; // messages have it too
        let mut world = Self {
            random,
            now: Instant::now(),
            unix,
            servers: vec![Server { redis: FakeRedis::new(RESTORE), is_up: true }],
            processes: Vec::new(),
            dead: Vec::new(),
            clients: Vec::new(),
            posts: Vec::new(),
            keyed: HashMap::new(),
            rooms: rooms[..count].to_vec(),
            limits: HistoryLimits { messages, age, bytes: usize::MAX },
            patience,
            trouble,
            texts: 0,
            processes_so_far: 0,
            is_troubled: true,
            splits,
            was_emptied: false,
            is_verbose: variable("WORLDCAST_SIMULATION_SEED").is_some(),
            trace: VecDeque::new(),
            tally: Tally::default(),
        };
        for at in 0..PROCESSES {
            let process = world.new_process();
            world.processes.push(process);
            world.connect(at);
        }
        world.pass(2 * RESTORE);
        world
    }

    fn new_process(&mut self) -> Process {
        self.processes_so_far += 1;
        Process::new(self.processes_so_far, self.patience)
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.unix += time.as_millis() as u64;
    }

    /// Notes an event for the case of a failure.
    pub fn note(&mut self, event: impl FnOnce() -> String) {
        if self.is_verbose {
            eprintln!("{}", event());
        } else {
            self.trace.push_back(event());
            if self.trace.len() > 12 {
                self.trace.pop_front();
            }
        }
    }

    pub fn chance(&mut self, of: f64) -> bool {
        self.random.f64() < of
    }

    /// Lets a node handle an event of its link.
    pub fn handle(&mut self, at: usize, event: LinkEvent) {
        let mut arrived = VecDeque::new();
        self.processes[at].node.handle(event, self.now, &mut arrived);
        self.arrive(at, arrived);
        self.send(at);
    }

    pub fn tick(&mut self, at: usize) {
        let mut arrived = VecDeque::new();
        self.processes[at].node.tick(self.now, &mut arrived);
        self.arrive(at, arrived);
        for slot in self.processes[at].node.take_over() {
            self.processes[at].close_if_over(slot, self.now);
        }
        self.send(at);
    }

    pub fn step(&mut self) {
        self.pass(STEP);
        let at = self.random.usize(..PROCESSES);
        if self.chance(self.trouble) {
            return self.disturb(at);
        }
        match self.random.f64() {
            x if x < 0.12 => self.speak(),
            x if x < 0.16 => self.post(at),
            x if x < 0.44 => self.carry_out(at),
            x if x < 0.62 => self.deliver(at, false),
            x if x < 0.80 => self.deliver(at, true),
            x if x < 0.86 => self.tick(at),
            x if x < 0.92 => self.come_or_go(at),
            _ => {
                let is_cut = self.processes[at].connection.is_none();
                if !self.is_connected_to_master(at) && (is_cut || self.chance(0.3)) {
                    self.connect(at);
                }
            }
        }
    }

    /// Something fails, or a long time passes.
    fn disturb(&mut self, at: usize) {
        match self.random.u8(..20) {
            0..6 => self.fail_over(),
            6 => self.wipe(),
            7 => self.flush(),
            8..13 => self.cut(at),
            13..15 => self.end_subscription(at),
            15 => self.reap_living(at),
            16..18 => self.die(at),
            _ => {
                let seconds = self.random.u64(1..7);
                self.pass(Duration::from_secs(seconds));
            }
        }
    }

    fn come_or_go(&mut self, at: usize) {
        if self.clients.len() < CLIENTS && self.chance(0.4) {
            let room = self.rooms[self.random.usize(..self.rooms.len())].clone();
            self.clients.push(Client::new(room));
            return self.join(self.clients.len() - 1, at);
        }
        if self.clients.is_empty() {
            return;
        }
        let number = self.random.usize(..self.clients.len());
        match self.clients[number].process {
            Some(_) => self.leave(number),
            None => self.join(number, at),
        }
    }

    /// A process ends without a word, and another one takes its place.
    fn die(&mut self, at: usize) {
        self.note(|| format!("node {at} dies"));
        let next = self.new_process();
        self.dead.push(self.processes[at].id);
        self.processes[at] = next;
        for client in self.clients.iter_mut().filter(|client| client.process == Some(at)) {
            (client.process, client.is_admitted) = (None, false);
            client.unanswered.clear();
        }
    }

    pub fn reap_dead(&mut self) {
        self.dead.clone().into_iter().for_each(|id| self.reap(id));
    }

    pub fn join(&mut self, number: usize, at: usize) {
        let (client, process) = (&mut self.clients[number], &mut self.processes[at]);
        client.process = Some(at);
        client.connection = ConnectionId::next();
        let slot = process.open(&client.room, self.limits);
        let room = process.rooms.get_mut(&slot).unwrap();
        room.members.insert(number);
        process.node.set_clients(slot, room.members.len(), self.now);
        let newcomer = Newcomer {
            connection: client.connection,
            relay: RelayId(0),
            who: client.who,
            resumed: client.position.is_some(),
            room: client.room.clone(),
        };
        let request = HistoryRequest { since: client.position, last: 0 };
        let mut arrived = VecDeque::new();
        process.node.recall(slot, request, Asker::Newcomer(newcomer), self.now, &mut arrived);
        self.note(|| format!("client {number} joins at node {at}"));
        self.arrive(at, arrived);
        self.send(at);
    }

    fn leave(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let Some(at) = client.process.take() else { return };
        let (who, was_admitted) = (client.who, std::mem::take(&mut client.is_admitted));
        client.unanswered.clear();
        let process = &mut self.processes[at];
        let slot = process.slot_of(&client.room).expect("the room of a member is open");
        let room = process.rooms.get_mut(&slot).unwrap();
        room.members.remove(&number);
        room.admitted.remove(&number);
        process.node.set_clients(slot, room.members.len(), self.now);
        if was_admitted && room.speakers.remove(&who) && !room.members.is_empty() {
            let changes = smallvec![(who, Change::Left)];
            process.node.announce(NoticeList { room: slot, changes, credit: None });
        }
        process.close_if_over(slot, self.now);
        self.note(|| format!("client {number} leaves node {at}"));
        self.send(at);
    }

    fn next_text(&mut self) -> String {
        self.texts += 1;
        format!("m{}", self.texts)
    }

    /// A client publishes a message.
    fn speak(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let number = self.random.usize(..self.clients.len());
        let text = self.next_text();
        let client = &mut self.clients[number];
        let Some(at) = client.process.filter(|_| client.is_admitted) else { return };
        client.unanswered.push(text.clone());
        let reference = Some(text.clone().try_into().unwrap());
        let pending = Pending {
            speaker: Some(Speaker { connection: client.connection, reference }),
            ..Pending::default()
        };
        let (who, room) = (Some(client.who), client.room.clone());
        let slot = self.processes[at].slot_of(&room).unwrap();
        let message = NewMessage { payload: Payload::Text(text.into()), who, audience: Audience::Everyone };
        self.submit(at, slot, smallvec![message], None, pending);
    }

    /// A request publishes messages over HTTP, perhaps again at another node.
    fn post(&mut self, at: usize) {
        let room = self.rooms[self.random.usize(..self.rooms.len())].clone();
        let (mut texts, mut key) = (Vec::new(), None);
        if self.chance(0.5) {
            let number = self.random.u64(..10);
            let id = format!("{room}-{number}");
            texts = (0..1 + number % 3).map(|part| format!("{id}-{part}")).collect();
            let failures = self.tally.failures;
            for text in &texts {
                self.keyed.entry(text.clone()).or_insert(failures);
            }
            key = Some(IdempotencyKey { key: id, fingerprint: number });
        } else {
            (0..self.random.usize(1..=3)).for_each(|_| texts.push(self.next_text()));
        }
        let source = Source::new(None, false);
        let process = &mut self.processes[at];
        if let Some(key) = &key
            && let Some(known) = process.node.local.find_answer(&room, key, source, self.now)
        {
            return assert!(known.is_ok(), "the content is the same");
        }
        let slot = process.open(&room, self.limits);
        let (result, answer) = oneshot::channel();
        let receivers = process.rooms[&slot].members.len();
        let messages = texts.iter().map(|text| NewMessage {
            payload: Payload::Text(text.clone().into()),
            who: None,
            audience: Audience::Everyone,
        });
        let messages = messages.collect();
        self.posts.push(Post { room: room.clone(), texts, answer, process: (at, process.generation) });
        let key = key.map(|key| Box::new(KeyUse { room, key, source }));
        let reply = Some(Reply { result, receivers });
        self.submit(at, slot, messages, key, Pending { reply, ..Pending::default() });
    }

    fn submit(
        &mut self,
        at: usize,
        room: RoomSlot,
        messages: SmallVec<[NewMessage; 1]>,
        key: Option<Box<KeyUse>>,
        pending: Pending,
    ) {
        let source = Source::new(None, false);
        self.processes[at].node.submit(Submission { room, messages, source, key, pending }, self.now);
        if self.chance(0.7) {
            self.send(at);
        }
    }

    /// Returns true if a message may come twice: its key may have been lost in a failure.
    pub fn may_repeat(&self, text: &str) -> bool {
        let failures_since = |before: &usize| match self.splits {
            true => self.tally.failures, // a deposed master may go on for long
            false => self.tally.failures - before,
        };
        self.keyed.get(text).is_some_and(|before| failures_since(before) > 0)
    }

    /// The work of a hub with arrivals.
    fn arrive(&mut self, at: usize, arrived: VecDeque<Arrival>) {
        for arrival in arrived {
            match arrival {
                Arrival::Messages(ordered) => self.deliver_messages(at, ordered),
                Arrival::History { room, slice, asker } => {
                    if let Some(number) = self.newcomer(at, asker) {
                        self.admit(at, room, number, slice);
                    }
                    self.processes[at].close_if_over(room, self.now);
                }
                Arrival::Unavailable { room, asker } => {
                    self.newcomer(at, asker).into_iter().for_each(|number| self.leave(number));
                    self.processes[at].close_if_over(room, self.now);
                }
                Arrival::Epoch(epoch) => self.begin_epoch(at, epoch),
                Arrival::Notices(notices) => self.tell_presence(at, notices),
                Arrival::Settled(_) => {}
            }
        }
    }

    /// The client that waits for a part of the history, if it is still there.
    fn newcomer(&self, at: usize, asker: Asker) -> Option<usize> {
        let Asker::Newcomer(Newcomer { connection, .. }) = asker else { return None };
        let is_it = |client: &Client| client.connection == connection && client.process == Some(at);
        self.clients.iter().position(is_it)
    }

    fn admit(&mut self, at: usize, slot: RoomSlot, number: usize, slice: HistorySlice) {
        let process = &mut self.processes[at];
        let room = process.rooms.get_mut(&slot).expect("the room of a newcomer is open");
        if room.admitted.is_empty() {
            room.present = process.node.speakers(slot).collect();
        }
        room.admitted.insert(number);
        let client = &mut self.clients[number];
        client.is_admitted = true;
        let is_incomplete = slice.complete == Some(false);
        if is_incomplete {
            client.tell(Offset::default());
        }
        if client.position.is_none() || is_incomplete {
            client.position = Some(slice.until);
        }
        let who = client.who;
        if room.speakers.insert(who) {
            let changes = smallvec![(who, Change::Joined { connection: None })];
            process.node.announce(NoticeList { room: slot, changes, credit: None });
        }
        self.note(|| format!("client {number} is admitted at node {at}, told {is_incomplete}"));
        slice.messages.iter().for_each(|message| self.receive(number, message));
    }

    fn deliver_messages(&mut self, at: usize, ordered: Ordered) {
        let Ordered { room: slot, messages, answer, pending } = ordered;
        let Pending { speaker, reply, .. } = pending.unwrap_or_default();
        for message in &messages {
            let admitted = self.processes[at].rooms.get(&slot).map(|room| room.admitted.clone());
            admitted.into_iter().flatten().for_each(|number| self.receive(number, message));
        }
        self.tally.given_up += usize::from(answer == Err(NotPosted::Unavailable));
        if let Some(reply) = reply {
            let _ = reply.result.send(answer);
        }
        if let Some(Speaker { connection, reference }) = speaker
            && let Some(client) = self.clients.iter_mut().find(|client| client.connection == connection)
            && client.process == Some(at)
        {
            let reference = reference.unwrap();
            client.unanswered.retain(|text| Ok(&reference) != text.clone().try_into().as_ref());
            let confirmed = messages.iter().map(|message| (message.position, text_of(&message.payload)));
            client.confirmed.extend(confirmed);
        }
        self.processes[at].close_if_over(slot, self.now);
    }

    fn receive(&mut self, number: usize, message: &Message) {
        self.tally.delivered += 1;
        let may_repeat = self.may_repeat(&text_of(&message.payload));
        self.clients[number].receive(message, may_repeat);
    }

    fn begin_epoch(&mut self, at: usize, NewEpoch { room, epoch, change }: NewEpoch) {
        self.note(|| format!("node {at} tells {change:?}"));
        let admitted = self.processes[at].rooms[&room].admitted.clone();
        for number in admitted {
            let client = &mut self.clients[number];
            let offset = match change {
                EpochChange::Kept(offset) => {
                    let before = client.position.map(|position| position.offset);
                    assert_eq!(before, Some(offset), "client {number} is told where it is");
                    offset
                }
                EpochChange::Lost(offset) | EpochChange::Hole { until: offset, .. } => {
                    client.tell(offset);
                    offset
                }
            };
            client.position = Some(Position { epoch, offset });
        }
    }

    fn tell_presence(&mut self, at: usize, notices: NoticeList) {
        self.note(|| format!("node {at} announces {:?}", notices.changes));
        let Some(room) = self.processes[at].rooms.get_mut(&notices.room) else { return };
        if room.admitted.is_empty() {
            return; // nobody is told
        }
        for (who, change) in notices.changes {
            let is_new = match change {
                Change::Joined { .. } => room.present.insert(who),
                Change::Left => room.present.remove(&who),
            };
            assert!(is_new, "presence: node {at} is told {who} {change:?} twice");
        }
    }
}
