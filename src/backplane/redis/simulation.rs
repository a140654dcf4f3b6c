//! A seeded simulation of several nodes over a Redis that answers late, loses answers, loses the
//! latest writes, begins empty, and goes on beside its successor.
//!
//! The nodes are the real ones; Redis is a model of the scripts. What every client receives is
//! checked against what docs/guarantees.md promises. A failure prints its seed and the last events;
//! `WORLDCAST_SIMULATION_SEED` runs that one only.

use super::{
    Node, NodeTimes,
    call::{LinkEvent, Outgoing, Push, Reply},
    entry::{Entry, NodeId},
    fake::FakeRedis,
};
use crate::{
    backplane::{
        Arrival, Asker, EpochChange, IdempotencyBounds, NewEpoch, Newcomer, NoticeList, Pending, Single,
        Speaker, Submission, Waiter,
    },
    config::RoomName,
    history::{Audience, HistoryLimits, HistoryRequest, Message, NewMessage, Offset, Position},
    ids::{ConnectionId, RelayId, RoomSlot, SpeakerId},
    limits::Source,
    room::Change,
    wire::Payload,
};
use smallvec::smallvec;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    env,
    fmt::Write,
    time::{Duration, Instant, SystemTime},
};

const SEEDS: u64 = 1000;
const STEPS: usize = 400;
const STEP: Duration = Duration::from_millis(25);
const RESTORE: Duration = Duration::from_secs(1);
const NODES: usize = 3;
const CLIENTS: usize = 6;
const SLOT: RoomSlot = RoomSlot(0);
const LIMITS: HistoryLimits =
    HistoryLimits { messages: 10_000, age: Duration::from_secs(100_000), bytes: usize::MAX };

/// One process of Redis.
struct Server {
    redis: FakeRedis,
    is_up: bool,
}

/// The link of one node, as two streams: replies, and what is pushed.
struct Connection {
    server: usize,
    calls: VecDeque<Outgoing>,
    replies: VecDeque<LinkEvent>,
    pushes: VecDeque<LinkEvent>,
    is_subscribed: bool,
}

struct Peer {
    id: NodeId,
    node: Node,
    connection: Option<Connection>,
    is_open: bool,
    /// The clients that joined here, and those that are admitted.
    members: BTreeSet<usize>,
    admitted: BTreeSet<usize>,
    /// The speakers, as members here know them.
    present: BTreeSet<SpeakerId>,
    here: BTreeSet<SpeakerId>,
}

/// A client, with what it received since it was told of a loss last.
struct Client {
    connection: ConnectionId,
    who: SpeakerId,
    node: Option<usize>,
    received: Vec<(Position, String)>,
    /// Each text with its offset: none comes twice.
    seen: HashMap<String, Offset>,
    position: Option<Position>,
    told: usize,
    confirmed: Vec<String>,
}

#[derive(Default)]
struct Tally {
    delivered: usize,
    told: usize,
    failures: usize,
    restored: u64,
}

struct World {
    random: fastrand::Rng,
    now: Instant,
    /// The time of Redis, in milliseconds since 1970.
    unix: u64,
    servers: Vec<Server>,
    peers: Vec<Peer>,
    clients: Vec<Client>,
    room: RoomName,
    texts: usize,
    loses_answers: bool,
    splits: bool,
    trace: Vec<String>,
    tally: Tally,
}

impl World {
    fn new(seed: u64, splits: bool) -> Self {
        let now = Instant::now();
        let redis = FakeRedis::new(RESTORE);
        let peer = |number: u64| {
            let id = NodeId(number + 1);
            let local = Single::new(usize::MAX, IdempotencyBounds { keys: 0, window: Duration::ZERO });
            let times =
                NodeTimes { patience: Duration::from_secs(3600), key_window: Duration::from_secs(60) };
            Peer {
                id,
                node: Node::new(id, local, times),
                connection: None,
                is_open: false,
                members: BTreeSet::new(),
                admitted: BTreeSet::new(),
                present: BTreeSet::new(),
                here: BTreeSet::new(),
            }
        };
        let mut world = Self {
            random: fastrand::Rng::with_seed(seed),
            now,
            servers: vec![Server { redis, is_up: true }],
            unix: unix_ms(),
            peers: (0..NODES as u64).map(peer).collect(),
            clients: Vec::new(),
            room: "news".parse().unwrap(),
            texts: 0,
            loses_answers: true,
            splits,
            trace: Vec::new(),
            tally: Tally::default(),
        };
        world.pass(Duration::from_secs(10));
        (0..NODES).for_each(|at| world.connect(at));
        world.pass(Duration::from_secs(10));
        world
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.unix += time.as_millis() as u64;
    }

    fn note(&mut self, event: String) {
        if env::var_os("WORLDCAST_SIMULATION_SEED").is_some() {
            eprintln!("{event}");
        }
        self.trace.push(event);
    }

    fn master(&self) -> usize {
        self.servers.len() - 1
    }

    fn chance(&mut self, of: f64) -> bool {
        self.random.f64() < of
    }

    fn connect(&mut self, at: usize) {
        self.cut(at);
        let server = self.master();
        let (life, restore) = self.servers[server].redis.life(self.unix);
        let mut arrived = VecDeque::new();
        let peer = &mut self.peers[at];
        peer.connection = Some(Connection {
            server,
            calls: VecDeque::new(),
            replies: VecDeque::new(),
            pushes: VecDeque::new(),
            is_subscribed: false,
        });
        peer.node.handle(LinkEvent::Connected { life, restore }, self.now, &mut arrived);
        self.arrive(at, arrived);
        self.send(at);
        self.note(format!("node {at} connects"));
    }

    fn cut(&mut self, at: usize) {
        if self.peers[at].connection.take().is_some() {
            let mut arrived = VecDeque::new();
            self.peers[at].node.handle(LinkEvent::Disconnected, self.now, &mut arrived);
            self.arrive(at, arrived);
        }
    }

    /// Hands the calls of a node to its link.
    fn send(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        let calls = peer.node.take_calls(self.now);
        match &mut peer.connection {
            Some(connection) => connection.calls.extend(calls),
            None => assert!(calls.is_empty(), "a node that is not connected calls"),
        }
    }

    /// Lets Redis carry out the next call of a node.
    fn carry_out(&mut self, at: usize) {
        let loses = self.loses_answers && self.chance(0.03);
        let peer = &mut self.peers[at];
        let Some(connection) = &mut peer.connection else { return };
        let server = connection.server;
        if !self.servers[server].is_up {
            return self.cut(at);
        }
        let Some(Outgoing { id, call }) = connection.calls.pop_front() else { return };
        use super::call::Call;
        let reply = match &call {
            Call::Subscribe(_) => {
                connection.is_subscribed = true;
                Reply::Done
            }
            Call::Unsubscribe(_) => {
                connection.is_subscribed = false;
                Reply::Done
            }
            Call::GetLife => {
                let (life, restore) = self.servers[server].redis.life(self.unix);
                Reply::Life(life, restore)
            }
            call => {
                let (reply, pushes) = self.servers[server].redis.call(peer.id, call, self.unix);
                for (room, push) in pushes {
                    self.push(server, room, push);
                }
                reply
            }
        };
        if let Some(connection) = &mut self.peers[at].connection {
            connection.replies.push_back(LinkEvent::Replied(id, reply));
        }
        if loses {
            self.note(format!("node {at} loses an answer"));
            self.cut(at);
        }
    }

    fn push(&mut self, server: usize, room: RoomName, push: Push) {
        let connections = self.peers.iter_mut().filter_map(|peer| peer.connection.as_mut());
        for connection in
            connections.filter(|connection| connection.server == server && connection.is_subscribed)
        {
            connection.pushes.push_back(LinkEvent::Pushed(room.clone(), push.clone()));
        }
    }

    /// Lets the next reply, or the next push, reach a node.
    fn deliver(&mut self, at: usize, is_push: bool) {
        let peer = &mut self.peers[at];
        let Some(connection) = &mut peer.connection else { return };
        let stream = if is_push { &mut connection.pushes } else { &mut connection.replies };
        let Some(event) = stream.pop_front() else { return };
        let mut arrived = VecDeque::new();
        let described = env::var_os("WORLDCAST_SIMULATION_SEED").map(|_| format!("node {at} <- {event:?}"));
        peer.node.handle(event, self.now, &mut arrived);
        described.into_iter().for_each(|event| self.note(event));
        self.arrive(at, arrived);
        self.send(at);
    }

    fn tick(&mut self, at: usize) {
        let mut arrived = VecDeque::new();
        self.peers[at].node.tick(self.now, &mut arrived);
        self.arrive(at, arrived);
        for slot in self.peers[at].node.take_over() {
            if self.peers[at].members.is_empty()
                && !self.peers[at].node.is_pending(slot)
                && self.peers[at].node.is_over(slot, self.now)
            {
                self.peers[at].node.forget(slot);
                self.peers[at].is_open = false;
            }
        }
        self.send(at);
    }

    fn join(&mut self, number: usize, at: usize) {
        let (client, peer) = (&mut self.clients[number], &mut self.peers[at]);
        client.node = Some(at);
        if !std::mem::replace(&mut peer.is_open, true) {
            peer.node.open(SLOT, &self.room, LIMITS);
            peer.present.clear();
        }
        peer.members.insert(number);
        peer.node.set_clients(SLOT, peer.members.len(), self.now);
        client.connection = ConnectionId::next();
        let newcomer = Newcomer {
            connection: client.connection,
            relay: RelayId(0),
            who: client.who,
            resumed: client.position.is_some(),
            room: self.room.clone(),
        };
        let request = HistoryRequest { since: client.position, last: 0 };
        let mut arrived = VecDeque::new();
        peer.node.recall(SLOT, request, Asker::Newcomer(newcomer), self.now, &mut arrived);
        self.arrive(at, arrived);
        self.send(at);
    }

    fn leave(&mut self, number: usize) {
        let Some(at) = self.clients[number].node.take() else { return };
        if env::var_os("WORLDCAST_SIMULATION_SEED").is_some() {
            self.note(format!("node {at} leave {:?}", self.clients[number].who));
        }
        let (peer, who) = (&mut self.peers[at], self.clients[number].who);
        peer.members.remove(&number);
        peer.node.set_clients(SLOT, peer.members.len(), self.now);
        if peer.admitted.remove(&number) && peer.here.remove(&who) && !peer.members.is_empty() {
            let changes = smallvec![(who, Change::Left)];
            peer.node.announce(NoticeList { room: SLOT, changes, credit: None });
        }
        if peer.members.is_empty() && !peer.node.is_pending(SLOT) && peer.node.is_over(SLOT, self.now) {
            peer.node.forget(SLOT);
            peer.is_open = false;
        }
        self.send(at);
    }

    fn publish(&mut self, number: usize) {
        let Some(at) = self.clients[number].node else { return };
        if !self.peers[at].admitted.contains(&number) {
            return;
        }
        self.texts += 1;
        let message = NewMessage {
            payload: Payload::Text(format!("m{}", self.texts).into()),
            who: Some(self.clients[number].who),
            audience: Audience::Everyone,
        };
        let speaker = Speaker { connection: self.clients[number].connection, reference: None };
        let submission = Submission {
            room: SLOT,
            messages: smallvec![message],
            source: Source::new(None, false),
            key: None,
            pending: Pending { speaker: Some(speaker), ..Pending::default() },
        };
        self.peers[at].node.submit(submission, self.now);
        if self.chance(0.7) {
            self.send(at);
        }
    }

    /// What the hub does with arrivals.
    fn arrive(&mut self, at: usize, arrived: VecDeque<Arrival>) {
        for arrival in arrived {
            match arrival {
                Arrival::Messages(ordered) => {
                    for message in &ordered.messages {
                        for number in self.peers[at].admitted.clone() {
                            self.receive(number, message);
                        }
                    }
                    let speaker = ordered.pending.and_then(|pending| pending.speaker);
                    let by = speaker.map(|speaker| speaker.connection);
                    let publisher = self.clients.iter_mut().find(|client| Some(client.connection) == by);
                    if let Some(publisher) = publisher
                        && publisher.node == Some(at)
                    {
                        publisher.confirmed.extend(ordered.messages.iter().map(|message| text(message)));
                    }
                }
                Arrival::History { slice, asker: Asker::Newcomer(newcomer), .. } => {
                    let is_it = |client: &Client| client.connection == newcomer.connection;
                    let Some(number) = self.clients.iter().position(is_it) else { continue };
                    if self.clients[number].node != Some(at) {
                        continue;
                    }
                    if self.peers[at].admitted.is_empty() {
                        self.peers[at].present = self.peers[at].node.speakers(SLOT).collect();
                    }
                    self.peers[at].admitted.insert(number);
                    let client = &mut self.clients[number];
                    if slice.complete == Some(false) {
                        client.tell(Offset::default());
                    }
                    if client.position.is_none() || slice.complete == Some(false) {
                        client.received.clear();
                        client.position = Some(slice.until);
                    }
                    for message in &slice.messages {
                        self.receive(number, message);
                    }
                    let who = self.clients[number].who;
                    if env::var_os("WORLDCAST_SIMULATION_SEED").is_some() {
                        self.note(format!("node {at} admits {who:?}, present {:?}", self.peers[at].present));
                    }
                    if self.peers[at].here.insert(who) {
                        let changes = smallvec![(who, Change::Joined { connection: None })];
                        self.peers[at].node.announce(NoticeList { room: SLOT, changes, credit: None });
                    }
                }
                Arrival::Epoch(NewEpoch { epoch, change, .. }) => {
                    self.note(format!("node {at} tells {change:?}"));
                    for number in self.peers[at].admitted.clone() {
                        let client = &mut self.clients[number];
                        match change {
                            EpochChange::Kept(offset) => {
                                assert_eq!(client.position.map(|position| position.offset), Some(offset));
                                client.position = Some(Position { epoch, offset });
                                continue;
                            }
                            EpochChange::Lost(kept) => client.tell(kept),
                            EpochChange::Hole { until, .. } => client.tell(until),
                        }
                        client.received.clear();
                        let (EpochChange::Lost(offset) | EpochChange::Hole { until: offset, .. }) = change
                        else {
                            continue;
                        };
                        client.position = Some(Position { epoch, offset });
                    }
                }
                Arrival::Notices(notices) => {
                    if env::var_os("WORLDCAST_SIMULATION_SEED").is_some() {
                        self.note(format!(
                            "node {at} notices {:?} present {:?}",
                            notices.changes, self.peers[at].present
                        ));
                    }
                    let Peer { present, admitted, .. } = &mut self.peers[at];
                    if admitted.is_empty() {
                        continue; // nobody is told
                    }
                    for (who, change) in notices.changes {
                        let is_new = match change {
                            Change::Joined { .. } => present.insert(who),
                            Change::Left => present.remove(&who),
                        };
                        assert!(is_new, "presence: node {at} is told {who} {change:?} twice");
                    }
                }
                Arrival::History { .. } | Arrival::Unavailable { .. } => {}
                Arrival::Settled(Waiter::Finish(_) | Waiter::Presence(_) | Waiter::Barrier(_)) => {}
            }
        }
    }

    fn receive(&mut self, number: usize, message: &Message) {
        self.tally.delivered += 1;
        let client = &mut self.clients[number];
        let text = text(message);
        if let Some(position) = client.position {
            assert_eq!(
                message.position.offset,
                position.offset.next(),
                "client {number} after {position} receives {text}: a hole or a repetition"
            );
        }
        let before = client.seen.insert(text.clone(), message.position.offset);
        assert_eq!(before, None, "client {number} receives {text} twice");
        client.position = Some(message.position);
        client.received.push((message.position, text));
    }

    fn step(&mut self) {
        self.pass(STEP);
        let at = self.random.usize(..NODES);
        match self.random.f64() {
            x if x < 0.15 => {
                if !self.clients.is_empty() {
                    let number = self.random.usize(..self.clients.len());
                    self.publish(number);
                }
            }
            x if x < 0.40 || (0.86..0.92).contains(&x) => self.carry_out(at),
            x if x < 0.55 => self.deliver(at, false),
            x if x < 0.70 => self.deliver(at, true),
            x if x < 0.76 => self.tick(at),
            x if x < 0.83 => {
                if self.clients.len() < CLIENTS && self.chance(0.4) {
                    self.clients.push(Client::new());
                    self.join(self.clients.len() - 1, at);
                } else if !self.clients.is_empty() {
                    let number = self.random.usize(..self.clients.len());
                    match self.clients[number].node {
                        Some(_) => self.leave(number),
                        None => self.join(number, at),
                    }
                }
            }
            x if x < 0.842 => {
                let mut replica = self.servers[self.master()].redis.clone();
                let (lost, splits) = (self.random.usize(..8), self.splits && self.chance(0.3));
                replica.fail_over(lost);
                self.note(format!("a replica that lags by {lost} takes over, split {splits}"));
                self.fail(replica, splits);
            }
            x if x < 0.845 => {
                let mut empty = self.servers[self.master()].redis.clone();
                empty.wipe();
                self.note("Redis begins empty".into());
                self.fail(empty, false);
            }
            x if x < 0.86 => {
                self.note(format!("node {at} is cut"));
                self.cut(at);
            }
            _ => {
                let is_lost = self.peers[at]
                    .connection
                    .as_ref()
                    .is_none_or(|connection| connection.server != self.servers.len() - 1);
                let server = self.peers[at].connection.as_ref().map(|connection| connection.server);
                if is_lost && (server.is_none() || self.chance(0.3)) {
                    self.connect(at);
                }
            }
        }
    }

    /// Another server takes the place of the master, which ends or goes on for the nodes that it
    /// has.
    fn fail(&mut self, redis: FakeRedis, splits: bool) {
        self.tally.failures += 1;
        let old = self.master();
        self.servers[old].is_up = splits;
        self.servers.push(Server { redis, is_up: true });
        if !splits {
            let lost =
                |peer: &Peer| peer.connection.as_ref().is_some_and(|connection| connection.server == old);
            (0..NODES).filter(|at| lost(&self.peers[*at])).collect::<Vec<_>>().into_iter().for_each(|at| {
                self.cut(at);
            });
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        self.loses_answers = false;
        for _ in 0..12 {
            for at in 0..NODES {
                let server = self.peers[at].connection.as_ref().map(|connection| connection.server);
                if server != Some(self.master()) {
                    self.connect(at);
                }
            }
            self.pass(Duration::from_secs(61));
            for at in 0..NODES {
                self.tick(at);
            }
            for _ in 0..200 {
                for at in 0..NODES {
                    self.carry_out(at);
                    self.deliver(at, false);
                    self.deliver(at, true);
                }
                self.pass(Duration::from_millis(10));
            }
        }
        for number in 0..self.clients.len() {
            if self.clients[number].node.is_none() {
                self.join(number, 0);
            }
        }
        for _ in 0..300 {
            for at in 0..NODES {
                self.tick(at);
                self.carry_out(at);
                self.deliver(at, false);
                self.deliver(at, true);
            }
            self.pass(Duration::from_millis(10));
        }
    }

    fn check(&mut self) {
        let master = self.master();
        let entries = self.servers[master].redis.entries(&self.room);
        let history: BTreeMap<Offset, (Position, String)> =
            entries.iter().flat_map(|entry| messages_of(entry)).collect();
        let texts: HashSet<&String> = history.values().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), history.len(), "the history has a message twice");
        for (number, client) in self.clients.iter().enumerate() {
            for (position, text) in &client.received {
                let kept = history.get(&position.offset);
                assert_eq!(
                    kept,
                    Some(&(*position, text.clone())),
                    "client {number} received {text}, and was not told"
                );
            }
            if let Some(last) = client.position
                && client.node.is_some()
            {
                let top = history.keys().next_back().copied().unwrap_or_default();
                assert!(last.offset >= top, "client {number} is at {last}, the history at {top}");
            }
            for text in &client.confirmed {
                assert!(
                    texts.contains(text) || client.told > 0,
                    "{text} of client {number} was confirmed and is gone"
                );
            }
            self.tally.told += client.told;
        }
        let everyone: BTreeSet<SpeakerId> =
            self.peers.iter().flat_map(|peer| peer.here.iter().copied()).collect();
        for (at, peer) in self.peers.iter_mut().enumerate() {
            assert!(!peer.node.is_pending(SLOT), "node {at} has something pending");
            self.tally.restored += peer.node.take_counts().restored;
            if !peer.members.is_empty() {
                assert_eq!(
                    peer.present,
                    everyone,
                    "presence at node {at}, which knows {:?}",
                    peer.node.speakers(SLOT).collect::<Vec<_>>()
                );
            }
        }
    }
}

impl Client {
    fn new() -> Self {
        Self {
            connection: ConnectionId::next(),
            who: SpeakerId::next(),
            node: None,
            received: Vec::new(),
            seen: HashMap::new(),
            position: None,
            told: 0,
            confirmed: Vec::new(),
        }
    }

    /// What the client received after `kept` is void.
    fn tell(&mut self, kept: Offset) {
        self.told += 1;
        self.seen.retain(|_, offset| *offset <= kept);
    }
}

/// The messages of a batch, by their offsets.
fn messages_of(entry: &Entry) -> impl Iterator<Item = (Offset, (Position, String))> {
    let mut offset = entry.until.offset.back(entry.messages.len());
    entry.messages.iter().map(move |message| {
        offset = offset.next();
        (offset, (Position { offset, ..entry.until }, words(&message.payload)))
    })
}

/// The time of the machine: the ages of messages are measured by it.
fn unix_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis() as u64
}

fn text(message: &Message) -> String {
    words(&message.payload)
}

fn words(payload: &Payload) -> String {
    String::from_utf8(payload.as_bytes().to_vec()).unwrap()
}

/// Runs the schedules of `seeds`; the failure of one is printed with its seed and its last events.
fn run(seeds: impl Iterator<Item = u64>, splits: bool) -> Tally {
    let mut sum = Tally::default();
    for seed in seeds {
        let mut world = World::new(seed, splits);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.settle();
            world.check();
        }));
        if let Err(panic) = result {
            let mut last = String::new();
            for event in world.trace.iter().rev().take(12).rev() {
                writeln!(last, "  {event}").unwrap();
            }
            eprintln!(
                "seed {seed} (WORLDCAST_SIMULATION_SEED={seed} runs it alone); its last events:\n{last}"
            );
            std::panic::resume_unwind(panic);
        }
        sum.delivered += world.tally.delivered;
        sum.told += world.tally.told;
        sum.failures += world.tally.failures;
        sum.restored += world.tally.restored;
    }
    sum
}

fn seeds() -> Box<dyn Iterator<Item = u64>> {
    match env::var("WORLDCAST_SIMULATION_SEED").map(|seed| seed.parse().expect("a number")) {
        Ok(seed) => Box::new(std::iter::once(seed)),
        Err(_) => Box::new(0..SEEDS),
    }
}

#[test]
fn no_client_misses_or_repeats_a_message_unless_it_is_told() {
    let Tally { delivered, told, failures, restored } = run(seeds(), false);
    println!("{delivered} deliveries, {failures} failures of Redis, {told} times told, {restored} restored");
}

#[test]
fn the_same_holds_while_some_nodes_go_on_with_a_deposed_master() {
    let Tally { delivered, told, failures, restored } = run(seeds(), true);
    println!("{delivered} deliveries, {failures} failures of Redis, {told} times told, {restored} restored");
}
