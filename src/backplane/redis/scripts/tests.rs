//! The scripts in a real server, and the same calls of the Redis in memory.

use super::*;
use crate::{
    backplane::{
        IdempotencyKey,
        redis::{call::Push, fake::FakeRedis},
    },
    history::Audience,
    wire::Payload,
};
use proptest::{prelude::*, test_runner::TestRunner};
use redis::{Connection, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

const HOUR: Duration = Duration::from_secs(3600);
const LIMITS: HistoryLimits = HistoryLimits { messages: 100, age: HOUR, bytes: 1 << 20 };
const NODE: NodeId = NodeId(0xa1);
const OTHER: NodeId = NodeId(0xb2);

/// A real server with a connection for calls and one that receives every publication.
struct Server {
    keys: Keys,
    calls: Connection,
    subscriptions: Connection,
    redis: ::testing::Redis,
    _runtime: Runtime,
}

impl Server {
    /// `None` if there is no redis-server.
    fn start(shard_channels: bool, restore: Duration, options: &[(&str, &str)]) -> Option<Self> {
        let runtime = Runtime::new().unwrap();
        let redis = runtime.block_on(::testing::Redis::start(options))?;
        let client = redis::Client::open(format!("{}/?protocol=resp3", redis.url())).unwrap();
        let calls = client.get_connection().unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        let subscriptions = client.get_connection().unwrap();
        subscriptions.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let keys = Keys::new("test:", shard_channels, restore);
        Some(Self { keys, calls, subscriptions, redis, _runtime: runtime })
    }

    /// A server that is in no window; its life is noted.
    fn open() -> Option<(Self, Life)> {
        let mut server = Self::start(false, Duration::from_millis(1), &[])?;
        let life = server.note_life(&room(), "a", 0);
        server.subscribe(&room());
        Some((server, life))
    }

    fn subscribe(&mut self, room: &RoomName) {
        let verb = if self.keys.shard_channels { "SSUBSCRIBE" } else { "SUBSCRIBE" };
        let command = redis::cmd(verb).arg(self.keys.channel(room)).get_packed_command();
        self.subscriptions.send_packed_command(&command).unwrap();
        self.subscriptions.recv_response().unwrap();
    }

    fn value(&mut self, node: NodeId, call: &Call) -> Result<Value, RedisError> {
        match self.keys.command(node, call).unwrap().query(&mut self.calls) {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                for script in ALL.iter() {
                    redis::cmd("SCRIPT").arg("LOAD").arg(script.source).exec(&mut self.calls).unwrap();
                }
                self.keys.command(node, call).unwrap().query(&mut self.calls)
            }
            value => value,
        }
    }

    fn call(&mut self, node: NodeId, call: &Call) -> Reply {
        read(call, self.value(node, call).unwrap()).unwrap()
    }

    /// Notes the life of a room as the script would, with its beginning in milliseconds.
    fn note_life(&mut self, room: &RoomName, life: &str, since: u64) -> Life {
        let key = self.keys.life_key(room);
        self.query::<()>(redis::cmd("SET").arg(key).arg(format!("{life} {since}")));
        Life(life.to_owned())
    }

    fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> T {
        command.query(&mut self.calls).unwrap()
    }

    fn now(&mut self) -> u64 {
        let (seconds, micros): (u64, u64) = self.query(&redis::cmd("TIME"));
        seconds * 1000 + micros / 1000
    }

    /// The payloads that were published since the last call.
    fn payloads(&mut self) -> Vec<(RoomName, Vec<u8>)> {
        let (verb, publish) = match self.keys.shard_channels {
            true => ("SSUBSCRIBE", "SPUBLISH"),
            false => ("SUBSCRIBE", "PUBLISH"),
        };
        let end = self.keys.key(&room(), "end:");
        let command = redis::cmd(verb).arg(&end).get_packed_command();
        self.subscriptions.send_packed_command(&command).unwrap();
        let mut payloads = Vec::new();
        loop {
            let value = self.subscriptions.recv_response().unwrap();
            let mut parts = Parts::of(value).unwrap();
            let kind = parts.bytes().unwrap();
            let channel = parts.bytes().unwrap();
            if kind.ends_with(b"subscribe") {
                self.query::<i64>(redis::cmd(publish).arg(&end).arg("")); // behind everything else
            } else if channel == end.as_bytes() {
                return payloads;
            } else {
                payloads.push((self.keys.room_of(&channel).unwrap(), parts.bytes().unwrap()));
            }
        }
    }

    fn pushes(&mut self) -> Vec<(RoomName, Push)> {
        let payloads = self.payloads().into_iter();
        payloads.map(|(room, payload)| (room, sorted(codec::decode_push(&payload).unwrap()))).collect()
    }

    fn state(&mut self, life: &Life) -> RoomState {
        match self.call(NODE, &fetch(life, None)) {
            Reply::Room(state) => state,
            reply => panic!("{reply:?}"),
        }
    }
}

/// The speakers of a change come in no certain order.
fn sorted(mut push: Push) -> Push {
    if let Push::Members { joined, left, .. } = &mut push {
        joined.sort_unstable();
        left.sort_unstable();
    }
    push
}

fn room() -> RoomName {
    "news".parse().unwrap()
}

fn epoch(number: u64) -> Epoch {
    Epoch::from_u64(number).unwrap()
}

fn at(number: u64, offset: u64) -> Position {
    Position { epoch: epoch(number), offset: Offset::from_u64(offset) }
}

fn speaker(number: u64) -> SpeakerId {
    SpeakerId::from_u64(number)
}

fn message(text: &str) -> StoredMessage {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(codec::to_millis(SystemTime::now()));
    let payload = Payload::Text(text.into());
    StoredMessage { payload, who: Some(speaker(7)), audience: Audience::Except(speaker(8)), time }
}

/// A batch of messages with these texts; a new epoch would be the first.
fn batch(life: &Life, sequence: u64, texts: &[&str]) -> Publish {
    Publish {
        room: room(),
        life: life.clone(),
        sequence: Sequence(sequence),
        messages: texts.iter().map(|text| message(text)).collect(),
        key: None,
        limits: LIMITS,
        epoch: epoch(1),
    }
}

fn publish(life: &Life, sequence: u64, texts: &[&str]) -> Call {
    Call::Publish(batch(life, sequence, texts))
}

fn fetch(life: &Life, after: Option<Position>) -> Call {
    Call::Fetch(Fetch { room: room(), life: life.clone(), after, begin: None, limits: LIMITS })
}

fn restore(life: &Life, until: Position, entries: &[Entry]) -> Call {
    Call::Restore(Restore {
        room: room(),
        life: life.clone(),
        until,
        forks: vec![at(9, 1)],
        sequences: vec![(OTHER, Sequence(5)), (NODE, Sequence(1))], // of a node, the later counts
        entries: entries.to_vec(),
        limits: LIMITS,
    })
}

fn entry(until: Position, sequence: u64, texts: &[&str]) -> Entry {
    let messages = texts.iter().map(|text| message(text)).collect();
    Entry { until, node: NODE, sequence: Sequence(sequence), messages }
}

fn members(sequence: u64, clients: usize, joined: &[u64], left: &[u64]) -> Members {
    let speakers = |numbers: &[u64]| numbers.iter().map(|number| speaker(*number)).collect();
    let (joined, left) = (speakers(joined), speakers(left));
    Members { room: room(), sequence: Sequence(sequence), clients, joined, left, whole: false }
}

fn offsets(state: &RoomState) -> Vec<u64> {
    state.entries.iter().map(|entry| entry.until.offset.to_u64()).collect()
}

fn published(number: u64, offset: u64) -> Reply {
    Reply::Published { until: at(number, offset), clients: 0 }
}

#[test]
fn a_batch_gets_consecutive_offsets_and_is_stored_as_it_is_published() {
    let Some((mut server, life)) = Server::open() else { return };

    assert_eq!(server.call(NODE, &publish(&life, 1, &["a", "ä"])), published(1, 2));
    assert_eq!(server.call(OTHER, &publish(&life, 1, &["b"])), published(1, 3));

    let log = server.keys.key(&room(), "log:");
    let payloads = server.payloads();
    let stored: Vec<(String, Vec<Vec<u8>>)> = server.query(redis::cmd("XRANGE").arg(log).arg("-").arg("+"));
    assert_eq!(stored.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2-0", "3-0"]);
    assert_eq!(payloads.len(), 2);
    for ((_, fields), (name, payload)) in stored.iter().zip(&payloads) {
        assert_eq!((&fields[1], name), (payload, &room()));
        assert_eq!(&codec::encode_entry(&codec::decode_entry(payload).unwrap()), payload);
    }
    let state = server.state(&life);
    assert_eq!((state.until, state.is_of_this_life, offsets(&state)), (at(1, 3), true, vec![2, 3]));
    assert_eq!(state.entries[0].messages[1].payload, Payload::Text("ä".into()));
    assert_eq!(state.sequences, [(NODE, Sequence(1)), (OTHER, Sequence(1))]);
}

#[test]
fn a_reply_is_the_same_in_both_protocols() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a", "b"]));
    server.call(NODE, &Call::Members(members(1, 2, &[1, 2], &[])));
    let client = redis::Client::open(format!("{}/?protocol=resp2", server.redis.url())).unwrap();
    let mut resp2 = client.get_connection().unwrap();
    for call in [publish(&life, 1, &["a", "b"]), fetch(&life, None), restore(&life, at(1, 1), &[])] {
        let command = server.keys.command(NODE, &call).unwrap();
        let reply = read(&call, command.query(&mut resp2).unwrap()).unwrap();
        assert_eq!(reply, server.call(NODE, &call));
    }
}

#[test]
fn a_repeated_batch_is_published_once() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 4, &["a", "b"]));
    server.call(OTHER, &publish(&life, 1, &["c"]));

    for sequence in [4, 3] {
        let reply = server.call(NODE, &publish(&life, sequence, &["a", "b"]));
        assert_eq!(reply, Reply::Repeated { until: at(1, 2) });
    }
    assert_eq!((offsets(&server.state(&life)), server.pushes().len()), (vec![2, 3], 2));
}

#[test]
fn a_key_is_used_once_in_its_room_and_expires() {
    let Some((mut server, life)) = Server::open() else { return };
    let with_key = |sequence, text: &str, fingerprint| {
        let key = IdempotencyKey { key: "{k}: 1".to_owned(), fingerprint };
        Call::Publish(Publish { key: Some((key, HOUR)), ..batch(&life, sequence, &[text]) })
    };
    assert_eq!(server.call(NODE, &with_key(1, "a", u64::MAX)), published(1, 1));
    let used = Reply::KeyUsed { fingerprint: u64::MAX, until: at(1, 1), messages: 1 };
    assert_eq!(server.call(OTHER, &with_key(1, "b", 3)), used);

    let key = format!("{}:{{k}}: 1", server.keys.key(&room(), "key:"));
    let rest: u64 = server.query(redis::cmd("PTTL").arg(&key));
    assert!(rest <= 3_600_000, "{rest}");
    server.query::<()>(redis::cmd("DEL").arg(&key)); // as if it had expired
    assert_eq!(server.call(OTHER, &with_key(1, "b", 3)), published(1, 2));
}

#[test]
fn a_call_for_another_life_changes_nothing() {
    let Some((mut server, life)) = Server::open() else { return };
    let other = Life("b".to_owned());
    let fetch_of = |life: &Life| {
        let begin = Some(epoch(1));
        Call::Fetch(Fetch { room: room(), life: life.clone(), after: None, begin, limits: LIMITS })
    };
    let calls = [publish(&other, 1, &["a"]), fetch_of(&other), restore(&other, at(1, 1), &[])];
    assert!(calls.iter().all(|call| server.call(NODE, call) == Reply::OtherLife));
    assert_eq!(server.call(NODE, &fetch(&life, None)), Reply::NoRoom);

    let key = server.keys.life_key(&room());
    server.query::<()>(redis::cmd("DEL").arg(key)); // the data were removed
    assert_eq!(server.call(NODE, &fetch_of(&life)), Reply::OtherLife);
}

#[test]
fn what_a_new_life_does_not_know_waits_until_the_window_is_over() {
    let Some(mut server) = Server::start(false, HOUR, &[]) else { return };
    let before = server.note_life(&room(), "a", 0);
    server.call(NODE, &publish(&before, 1, &["a", "b"]));

    let now = server.now();
    let life = server.note_life(&room(), "b", now);
    let Reply::Wait { over } = server.call(NODE, &publish(&life, 2, &["c"])) else { panic!("no wait") };
    assert!(over <= HOUR && over > HOUR - Duration::from_secs(60), "{over:?}");
    let state = server.state(&life); // a known room can be read
    assert_eq!((state.until, state.is_of_this_life), (at(1, 2), false));
    assert!(!state.restore.is_zero());
    assert_eq!(server.call(NODE, &publish(&life, 1, &["a", "b"])), Reply::Repeated { until: at(1, 2) });

    server.query::<()>(redis::cmd("DEL").arg(server.keys.key(&room(), "room:")));
    assert!(matches!(server.call(NODE, &publish(&life, 2, &["c"])), Reply::Wait { .. }));
    let begin = Some(epoch(2));
    let fetch_room = Fetch { room: room(), life: life.clone(), after: None, begin, limits: LIMITS };
    assert!(matches!(server.call(NODE, &Call::Fetch(fetch_room.clone())), Reply::Wait { .. }));
    assert_eq!(server.call(NODE, &fetch(&life, None)), Reply::NoRoom);

    server.note_life(&room(), "b", now - 3_600_000);
    let Reply::Room(state) = server.call(NODE, &Call::Fetch(fetch_room)) else { panic!("no room") };
    assert_eq!((state.until, state.is_of_this_life, state.restore), (at(2, 0), true, Duration::ZERO));
    assert_eq!((offsets(&state), state.forks), (vec![], vec![]));
    assert_eq!(server.call(NODE, &publish(&life, 2, &["c"])), published(2, 1));
}

#[test]
fn the_first_batch_of_a_life_begins_an_epoch_and_eight_forks_are_kept() {
    let Some((mut server, _)) = Server::open() else { return };
    for number in 1..=10 {
        let life = server.note_life(&room(), &format!("life{number}"), 0);
        let call = Publish { epoch: epoch(number), ..batch(&life, number, &["a", "b"]) };
        assert_eq!(server.call(NODE, &Call::Publish(call)), published(number, 2 * number));
    }
    let state = server.state(&Life("life10".to_owned()));
    assert_eq!(state.until, at(10, 20));
    assert_eq!(state.forks, (2..=9).map(|number| at(number, 2 * number)).collect::<Vec<_>>());
    assert_eq!(state.entries.len(), 10); // the history goes on over epochs
}

#[test]
fn a_fetch_has_the_batches_after_a_position_of_the_room() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a", "b"]));
    server.call(NODE, &publish(&life, 2, &["c"]));
    let life = server.note_life(&room(), "b", 0);
    let call = Publish { epoch: epoch(2), ..batch(&life, 3, &["d", "e"]) };
    server.call(NODE, &Call::Publish(call));

    for (after, expected) in [
        (at(2, 5), vec![]),
        (at(2, 4), vec![5]), // the batch that contains the position
        (at(2, 3), vec![5]),
        (at(1, 3), vec![5]), // the end of the earlier epoch
        (at(1, 2), vec![3, 5]),
        (at(1, 0), vec![2, 3, 5]),
        (at(1, 4), vec![2, 3, 5]), // is not in the earlier epoch
        (at(2, 6), vec![2, 3, 5]), // is not in this epoch yet
        (at(3, 1), vec![2, 3, 5]), // of no epoch of the room
    ] {
        let Reply::Room(state) = server.call(NODE, &fetch(&life, Some(after))) else { panic!("no room") };
        assert_eq!(offsets(&state), expected, "{after}");
    }
}

#[test]
fn a_history_keeps_whole_batches_of_which_a_message_is_within_its_bounds() {
    let Some((mut server, life)) = Server::open() else { return };
    let cost = message("a").cost();
    let mut sequence = 0;
    let mut kept = |server: &mut Server, texts: &[&str], messages, bytes| {
        sequence += 1;
        let limits = HistoryLimits { messages, bytes, ..LIMITS };
        server.call(NODE, &Call::Publish(Publish { limits, ..batch(&life, sequence, texts) }));
        offsets(&server.state(&life))
    };
    let many = usize::MAX >> 12;
    assert_eq!(kept(&mut server, &["a", "a", "a"], 3, many), [3]);
    assert_eq!(kept(&mut server, &["a", "a"], 3, many), [3, 5]); // one of three is within
    assert_eq!(kept(&mut server, &["a"], 3, many), [5, 6]);
    assert_eq!(kept(&mut server, &["a"], 1, many), [7]);
    assert_eq!(kept(&mut server, &["a"], many, 3 * cost), [7, 8]);
    assert_eq!(kept(&mut server, &["a"], many, 3 * cost), [7, 8, 9]);
    assert_eq!(kept(&mut server, &["a"], many, 3 * cost), [8, 9, 10]);
    assert_eq!(kept(&mut server, &["a"], many, 3 * cost - 1), [10, 11]);
    assert_eq!(kept(&mut server, &["a", "a"], many, 3 * cost), [11, 13]);
    assert_eq!(kept(&mut server, &["a"; 9], many, 9 * cost), [22]);
    assert_eq!(kept(&mut server, &["a"; 9], many, 10 * cost), [22, 31]);
    assert_eq!(kept(&mut server, &["a"; 9], many, cost - 1), [0; 0]); // the last is too large
    assert_eq!(kept(&mut server, &["a"], many, cost), [41]);
    assert_eq!(kept(&mut server, &["a"], 0, many), [0; 0]);
    assert_eq!(kept(&mut server, &["a"], many, 0), [0; 0]);
    assert_eq!(kept(&mut server, &["a"], 1, many), [44]);
    assert_eq!(server.state(&life).until, at(1, 44));
}

#[test]
fn a_fetch_forgets_batches_of_which_every_message_is_too_old() {
    let Some((mut server, life)) = Server::open() else { return };
    for sequence in 1..=25 {
        let mut call = batch(&life, sequence, &["a", "b"]);
        let first = if sequence == 25 { 1 } else { 0 }; // the last message of the last one is young
        call.messages[first..].iter_mut().for_each(|message| message.time -= HOUR);
        if sequence == 25 {
            call.messages.swap(0, 1);
        }
        server.call(NODE, &Call::Publish(call));
    }
    assert_eq!(offsets(&server.state(&life)), [50]);
    let length: u64 = server.query(redis::cmd("XLEN").arg(server.keys.key(&room(), "log:")));
    assert_eq!(length, 1);
}

#[test]
fn an_unknown_room_is_restored_whole_and_waits_for_the_end_of_the_window() {
    let Some(mut server) = Server::start(false, HOUR, &[]) else { return };
    let now = server.now();
    let life = server.note_life(&room(), "b", now);
    server.subscribe(&room());
    let entries = [entry(at(8, 4), 6, &["a"]), entry(at(1, 6), 7, &["b", "c"])];

    assert_eq!(server.call(OTHER, &restore(&life, at(1, 6), &entries)), Reply::Restored);
    let state = server.state(&life);
    assert_eq!((state.until, state.is_of_this_life), (at(1, 6), false));
    assert_eq!((&state.entries[..], &state.forks[..]), (&entries[..], &[at(9, 1)][..]));
    assert_eq!(state.sequences, [(NODE, Sequence(7)), (OTHER, Sequence(5))]);
    assert_eq!(server.pushes(), entries.clone().map(|entry| (room(), Push::Messages(entry))));

    assert_eq!(server.call(OTHER, &restore(&life, at(1, 6), &entries)), Reply::Kept);
    assert!(matches!(server.call(NODE, &publish(&life, 8, &["d"])), Reply::Wait { .. }));
    let repeated = Reply::Repeated { until: at(1, 6) };
    assert_eq!(server.call(NODE, &publish(&life, 7, &["b", "c"])), repeated);

    server.note_life(&room(), "b", 0);
    let call = Publish { epoch: epoch(2), ..batch(&life, 8, &["d"]) };
    assert_eq!(server.call(NODE, &Call::Publish(call)), published(2, 7));
    assert_eq!(server.state(&life).forks, [at(9, 1), at(1, 6)]);
    assert_eq!(server.call(OTHER, &restore(&life, at(1, 9), &[])), Reply::Kept);
}

#[test]
fn a_lost_tail_is_restored_behind_the_top_of_redis() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a", "b"]));
    let tail = [entry(at(1, 3), 2, &["c"]), entry(at(1, 5), 3, &["d", "e"])];
    let whole = [vec![entry(at(1, 2), 1, &["a", "b"])], tail.to_vec()].concat();

    let same_life = server.call(NODE, &restore(&life, at(1, 5), &whole));
    assert_eq!(same_life, Reply::Kept); // it was published to in this life
    let life = server.note_life(&room(), "b", 0);
    assert_eq!(server.call(NODE, &restore(&life, at(2, 5), &whole)), Reply::Kept); // another epoch
    assert_eq!(server.call(NODE, &restore(&life, at(1, 2), &whole[..1])), Reply::Kept);
    server.pushes();

    assert_eq!(server.call(NODE, &restore(&life, at(1, 5), &whole)), Reply::Restored);
    assert_eq!(server.pushes(), tail.map(|entry| (room(), Push::Messages(entry))));
    let state = server.state(&life);
    assert_eq!((state.until, offsets(&state), &state.forks[..]), (at(1, 5), vec![2, 3, 5], &[][..]));
    assert_eq!(state.sequences, [(NODE, Sequence(3)), (OTHER, Sequence(5))]);
}

#[test]
fn a_restored_history_has_no_hole() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a", "b"]));
    let life = server.note_life(&room(), "b", 0);

    let later = [entry(at(1, 4), 3, &["d"]), entry(at(1, 5), 4, &["e"])];
    assert_eq!(server.call(NODE, &restore(&life, at(1, 5), &later)), Reply::Restored);
    assert_eq!(offsets(&server.state(&life)), [4, 5]); // the log below is dropped

    let with_hole = [entry(at(1, 6), 5, &["f"]), entry(at(1, 9), 6, &["i"])];
    assert_eq!(server.call(NODE, &restore(&life, at(1, 9), &with_hole)), Reply::Restored);
    assert_eq!(offsets(&server.state(&life)), [9]);

    assert_eq!(server.call(NODE, &restore(&life, at(1, 12), &[])), Reply::Restored);
    let state = server.state(&life);
    assert_eq!((offsets(&state), state.until), (vec![], at(1, 12)));

    let unreached = [entry(at(1, 14), 7, &["n"])];
    assert_eq!(server.call(NODE, &restore(&life, at(1, 15), &unreached)), Reply::Restored);
    let state = server.state(&life);
    assert_eq!((offsets(&state), state.until), (vec![], at(1, 15)));
    let call = Publish { epoch: epoch(2), ..batch(&life, 8, &["p"]) };
    assert_eq!(server.call(NODE, &Call::Publish(call)), published(2, 16));
}

#[test]
fn a_restored_history_keeps_its_bounds() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a"]));
    let life = server.note_life(&room(), "b", 0);
    let entries: Vec<_> = (2..9).map(|number| entry(at(1, number), number, &["a"])).collect();
    let limits = HistoryLimits { messages: 3, ..LIMITS };
    let Call::Restore(call) = restore(&life, at(1, 8), &entries) else { unreachable!() };
    let reply = server.call(NODE, &Call::Restore(Restore { limits, ..call.clone() }));
    assert_eq!((reply, offsets(&server.state(&life))), (Reply::Restored, vec![6, 7, 8]));

    let entries: Vec<_> = (9..13).map(|number| entry(at(1, number), number, &["a"])).collect();
    let limits = HistoryLimits { bytes: 2 * message("a").cost(), ..LIMITS };
    let call = Restore { limits, until: at(1, 12), entries, ..call };
    assert_eq!(server.call(NODE, &Call::Restore(call)), Reply::Restored);
    assert_eq!(offsets(&server.state(&life)), [11, 12]);
}

#[test]
fn a_speaker_joins_with_its_first_node_and_leaves_with_its_last() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a"]));
    server.pushes();
    let mut change = |node, members: Members| {
        let (clients, sequence) = (members.clients, members.sequence);
        assert_eq!(server.call(node, &Call::Members(members)), Reply::Done);
        let pushes = server.pushes();
        let [(_, Push::Members { node: of, sequence: number, clients: count, joined, left })] = &pushes[..]
        else {
            panic!("{pushes:?}")
        };
        assert_eq!((*of, *number, *count), (node, sequence, clients));
        let numbers = |ids: &[SpeakerId]| ids.iter().map(|id| id.to_u64()).collect::<Vec<_>>();
        (numbers(joined), numbers(left))
    };

    assert_eq!(change(NODE, members(1, 2, &[1, 2], &[])), (vec![1, 2], vec![]));
    assert_eq!(change(OTHER, members(1, 1, &[2], &[])), (vec![], vec![]));
    assert_eq!(change(NODE, members(2, 1, &[], &[2])), (vec![], vec![]));
    assert_eq!(change(NODE, members(3, 1, &[], &[2, 3])), (vec![], vec![]));
    assert_eq!(change(OTHER, members(2, 3, &[3], &[2])), (vec![3], vec![2]));
    assert_eq!(change(OTHER, members(3, 3, &[4], &[4])), (vec![], vec![]));
    let whole = Members { whole: true, ..members(4, 2, &[5], &[]) };
    assert_eq!(change(OTHER, whole), (vec![5], vec![3]));

    let state = server.state(&life);
    assert_eq!(state.clients, [(NODE, 1), (OTHER, 2)]);
    assert_eq!(state.speakers, [speaker(1), speaker(5)]);
    let reply = server.call(NODE, &publish(&life, 2, &["b"]));
    assert_eq!(reply, Reply::Published { until: at(1, 2), clients: 3 });
}

#[test]
fn a_dead_node_is_removed_once() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a"]));
    server.call(NODE, &Call::Members(members(1, 2, &[1, 2], &[])));
    server.call(OTHER, &Call::Members(members(1, 1, &[2], &[])));
    let rooms = |server: &mut Server, node| -> Vec<String> {
        let sets: Vec<_> = server.keys.rooms_of_node(node).collect();
        server.query(redis::cmd("SUNION").arg(sets))
    };
    assert_eq!(rooms(&mut server, NODE), ["news"]);
    server.pushes();

    let removal = Call::Members(Members { whole: true, ..members(0, 0, &[], &[]) });
    assert_eq!(server.call(NODE, &removal), Reply::Done);
    assert_eq!(server.call(NODE, &removal), Reply::Done);

    let (joined, left) = (vec![], vec![speaker(1)]);
    let push = Push::Members { node: NODE, sequence: Sequence(0), clients: 0, joined, left };
    assert_eq!(server.pushes(), [(room(), push)]);
    let state = server.state(&life);
    assert_eq!((state.clients, state.speakers), (vec![(OTHER, 1)], vec![speaker(2)]));
    assert_eq!((rooms(&mut server, NODE), rooms(&mut server, OTHER)), (vec![], vec!["news".to_owned()]));
}

#[test]
fn the_life_is_the_run_id_since_it_was_seen_first() {
    let Some(mut server) = Server::start(false, HOUR, &[]) else { return };
    let ask = |server: &mut Server| read_life(server.value(NODE, &Call::GetLife).unwrap()).unwrap();
    let info: String = server.query(redis::cmd("INFO").arg("server"));
    let first = ask(&mut server);
    assert!(info.contains(&format!("run_id:{}", first.life.0)), "{first:?}");
    assert_eq!(first.restore, HOUR);
    let age = SystemTime::now().duration_since(first.time).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");

    let lives: Vec<String> = {
        let keys: Vec<_> = server.keys.tags.iter().map(|tag| format!("test:{{{tag}}}life")).collect();
        server.query(redis::cmd("MGET").arg(keys))
    };
    let since = codec::to_millis(first.time);
    assert_eq!(lives, vec![format!("{} {since}", first.life.0); TAGS]);
    let reply = server.call(NODE, &Call::GetLife); // nothing is written again
    assert!(matches!(reply, Reply::Life(life, rest) if life == first.life && rest <= HOUR));
    assert!(matches!(server.call(NODE, &publish(&first.life, 1, &["a"])), Reply::Wait { .. }));

    let old = since - 3_600_000;
    for tag in server.keys.tags.clone() {
        let command = format!("{} {old}", first.life.0);
        server.query::<()>(redis::cmd("SET").arg(format!("test:{{{tag}}}life")).arg(command));
    }
    assert_eq!(ask(&mut server).restore, Duration::ZERO);
    server.note_life(&room(), "another", old); // of one tag only
    let again = ask(&mut server);
    assert_eq!((again.life, again.restore), (first.life.clone(), HOUR));
    assert!(matches!(server.call(NODE, &publish(&first.life, 1, &["a"])), Reply::Wait { .. }));
}

#[test]
fn the_nodes_of_a_room_are_bounded() {
    let Some((mut server, life)) = Server::open() else { return };
    for node in 1..=96 {
        server.call(NodeId(node), &publish(&life, 1, &["a"]));
    }
    assert_eq!(server.state(&life).sequences.len(), 96);
    server.call(NodeId(97), &publish(&life, 1, &["a"]));
    let nodes: Vec<_> = server.state(&life).sequences.iter().map(|(node, _)| node.0).collect();
    assert_eq!(nodes, (34..=97).collect::<Vec<_>>()); // the latest
}

#[test]
fn an_unused_room_expires() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a"]));
    server.call(NODE, &Call::Members(members(1, 1, &[1], &[])));
    let kinds = ["room:", "log:", "clients:", "speakers:"];
    let keys = kinds.map(|kind| server.keys.key(&room(), kind));
    let rest = |server: &mut Server| {
        keys.clone().map(|key| server.query::<i64>(redis::cmd("PTTL").arg(key)) as f64 / 1000.0)
    };
    let close_to = |rest: f64, seconds: f64| (seconds - 60.0..=seconds).contains(&rest);
    let [room, log, clients, speakers] = rest(&mut server);
    assert!(close_to(room, 3600.0) && close_to(log, 3600.0), "{room} {log}");
    assert!(close_to(clients, 300.0) && close_to(speakers, 300.0), "{clients} {speakers}");

    for key in &keys {
        server.query::<()>(redis::cmd("PEXPIRE").arg(key).arg(9_000));
    }
    server.state(&life);
    assert!(rest(&mut server).iter().all(|rest| close_to(*rest, 3600.0)));
}

#[test]
fn a_refused_call_has_changed_nothing() {
    let Some((mut server, life)) = Server::open() else { return };
    server.call(NODE, &publish(&life, 1, &["a"]));
    server.call(NODE, &Call::Members(members(1, 1, &[1], &[])));
    let state = server.state(&life);
    server.pushes();
    let later = server.note_life(&room(), "b", 0);

    for (option, refusing, normal) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        let set = |server: &mut Server, value: &str| {
            server.query::<()>(redis::cmd("CONFIG").arg("SET").arg(option).arg(value));
        };
        set(&mut server, refusing);
        let mut key = batch(&later, 2, &["b", "c"]);
        key.key = Some((IdempotencyKey { key: "k".to_owned(), fingerprint: 1 }, HOUR));
        for call in [
            Call::Publish(key),
            restore(&later, at(1, 2), &[entry(at(1, 2), 2, &["b"])]),
            Call::Members(members(2, 2, &[2, 3], &[1])),
        ] {
            let refused = server.value(NODE, &call);
            assert!(refused.is_err(), "{option}: {call:?} {refused:?}");
        }
        set(&mut server, normal);
        assert_eq!(server.pushes(), []);
        let now = RoomState { is_of_this_life: true, ..server.state(&later) };
        assert_eq!(now, state, "{option}");
        let key = format!("{}:k", server.keys.key(&room(), "key:"));
        assert!(!server.query::<bool>(redis::cmd("EXISTS").arg(key)));
    }
}

#[test]
fn the_last_offset_is_below_2_to_the_53() {
    let Some((mut server, life)) = Server::open() else { return };
    let top = codec::NUMBER_BOUND - 3;
    server.call(NODE, &restore(&life, at(1, top), &[entry(at(1, top), 1, &["a"])]));
    let call = Publish { epoch: epoch(2), ..batch(&life, 2, &["b", "c"]) };
    assert_eq!(server.call(NODE, &Call::Publish(call)), published(2, top + 2));
    assert_eq!(offsets(&server.state(&life)), [top, top + 2]);
    assert!(server.value(NODE, &publish(&life, 3, &["d"])).is_err());
    assert_eq!(server.state(&life).until, at(2, top + 2));
}

#[test]
fn a_room_is_in_one_slot_of_a_cluster_and_in_a_shard_channel() {
    let options = [("cluster-enabled", "yes")];
    let Some(mut server) = Server::start(false, Duration::from_millis(1), &options) else { return };
    let info: String = server.query(redis::cmd("INFO").arg("server"));
    server.keys.shard_channels = !info.contains("redis_version:6.");
    let slots: Vec<u16> = (0..16384).collect();
    server.query::<()>(redis::cmd("CLUSTER").arg("ADDSLOTS").arg(slots));
    let slot: u16 = server.query(redis::cmd("CLUSTER").arg("KEYSLOT").arg(server.keys.channel(&room())));
    assert_eq!(slot, crc16(server.keys.tag(&room()).as_bytes()) % 16384);
    while !server.query::<String>(redis::cmd("CLUSTER").arg("INFO")).contains("cluster_state:ok") {}
    let life = server.note_life(&room(), "a", 0);
    server.subscribe(&room());

    let key = Some((IdempotencyKey { key: "k".to_owned(), fingerprint: 1 }, HOUR));
    let call = Call::Publish(Publish { key, ..batch(&life, 1, &["a"]) });
    assert_eq!(server.call(NODE, &call), published(1, 1));
    assert_eq!(server.call(NODE, &Call::Members(members(1, 1, &[1], &[]))), Reply::Done);
    let later = server.note_life(&room(), "b", 0);
    let tail = entry(at(1, 2), 2, &["b"]);
    assert_eq!(server.call(NODE, &restore(&later, at(1, 2), std::slice::from_ref(&tail))), Reply::Restored);
    assert_eq!(server.state(&later).speakers, [speaker(1)]);
    let pushes = server.pushes();
    assert_eq!((pushes.len(), &pushes[2].1), (3, &Push::Messages(tail)));
}

#[test]
fn tags_cover_the_slots_evenly_and_never_change() {
    let tags = tags();
    for (index, tag) in tags.iter().enumerate() {
        assert_eq!(usize::from(crc16(tag.as_bytes()) % 16384) / 64, index, "{tag}");
    }
    assert_eq!(crc16(b"123456789"), 0x31c3); // the example of the specification of Redis Cluster
    // Nodes of all versions find the same keys.
    assert_eq!(crc16(tags.concat().as_bytes()), 19470);
    let keys = Keys::new("worldcast:", false, HOUR);
    assert_eq!(keys.channel(&room()), "worldcast:{w055}ch:news");
}

#[test]
fn rooms_are_spread_over_the_tags() {
    let keys = Keys::new("p:", false, HOUR);
    let mut counts = std::collections::HashMap::new();
    for number in 0..25_600 {
        let room = format!("room-{number}").parse().unwrap();
        *counts.entry(keys.tag(&room).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), TAGS);
    assert!(counts.values().all(|count| (50..=200).contains(count)), "{counts:?}");
}

#[test]
fn a_channel_names_its_room() {
    let keys = Keys::new("p:", false, HOUR);
    for name in ["news", "a.b_c~d:e@f-g", "ch:ch:"] {
        let room: RoomName = name.parse().unwrap();
        assert_eq!(keys.room_of(keys.channel(&room).as_bytes()), Some(room));
    }
    let channel = keys.channel(&room());
    let tag = keys.tag(&room()).to_owned();
    let other = keys.tags.iter().find(|other| **other != tag).unwrap();
    for foreign in [
        String::new(),
        "news".to_owned(),
        format!("q{}", &channel[1..]),
        format!("{channel}/"),
        channel.replace(&tag, other),
        channel.replace("ch:", "log:"),
    ] {
        assert_eq!(keys.room_of(foreign.as_bytes()), None, "{foreign}");
    }
    assert_eq!(keys.room_of(b"p:{w\xff}ch:news"), None);
}

#[test]
fn a_value_of_another_form_is_an_error() {
    let life = Life("a".to_owned());
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    let calls = [publish(&life, 1, &["a"]), fetch(&life, None), restore(&life, at(1, 1), &[])];
    let values = [
        Value::Nil,
        Value::Int(1),
        text("published"),
        Value::Array(vec![]),
        Value::Array(vec![text("done")]),
        Value::Array(vec![text("published"), text("x"), text("1"), Value::Int(1)]),
        Value::Array(vec![text("published"), text("0000000000000001"), text("1"), Value::Int(-1)]),
        Value::Array(vec![text("wait"), Value::Double(1.0)]),
        Value::Array(vec![text("key"), text("1 2 3")]),
        Value::Array(vec![text("room"), Value::Int(0), Value::Array(vec![text("epoch")])]),
    ];
    for call in calls {
        for value in &values {
            assert!(read(&call, value.clone()).is_err(), "{call:?} {value:?}");
        }
    }
    assert!(read(&Call::GetLife, Value::Array(vec![text("a"), text("")])).is_err());
}

/// One step of a random schedule: what is done, and numbers that choose how.
type Step = (u8, u8, u8, u8, u8);

/// The keys of a real server with their values.
type Dump = Vec<(Vec<u8>, Vec<u8>)>;

/// A schedule of calls of a real server and of the one in memory.
struct Pair<'a> {
    server: &'a mut Server,
    fake: FakeRedis,
    /// The state before the last failure, as a node has it.
    mirror: FakeRedis,
    /// The state that a replica has.
    saved: (FakeRedis, Dump),
    life: Life,
    now: u64,
    epochs: u64,
}

impl<'a> Pair<'a> {
    fn new(server: &'a mut Server) -> Self {
        server.query::<()>(&redis::cmd("FLUSHALL"));
        server.payloads();
        let now = server.now();
        let fake = FakeRedis::new(HOUR);
        let (mirror, saved) = (fake.clone(), (fake.clone(), Vec::new()));
        let mut pair = Self { server, fake, mirror, saved, life: Life("life0".to_owned()), now, epochs: 0 };
        pair.note_life(0);
        pair
    }

    fn note_life(&mut self, since: u64) {
        self.fake.note_life(self.life.clone(), since);
        for room in rooms() {
            self.server.note_life(&room, &self.life.0.clone(), since);
        }
    }

    /// The server takes the state that was saved, as a replica that lags does.
    fn fail_over(&mut self) {
        self.fake = self.saved.0.clone();
        self.server.query::<()>(&redis::cmd("FLUSHALL"));
        for (key, value) in &self.saved.1 {
            self.server.query::<()>(redis::cmd("RESTORE").arg(key).arg(0).arg(value));
        }
    }

    fn save(&mut self) {
        let keys: Vec<Vec<u8>> = self.server.query(redis::cmd("KEYS").arg("*"));
        let dump = |key: Vec<u8>| {
            let value = self.server.query(redis::cmd("DUMP").arg(&key));
            (key, value)
        };
        self.saved = (self.fake.clone(), keys.into_iter().map(dump).collect());
    }

    fn step(&mut self, (kind, a, b, c, d): Step) {
        let room = rooms()[usize::from(a % 2)].clone();
        let node = NodeId(u64::from(b % 3) + 1);
        let limits = HistoryLimits {
            messages: [3, 9, 50, 0][usize::from(d % 4)],
            bytes: [700, 2000, 1 << 20, 1 << 20][usize::from(d / 4 % 4)],
            age: HOUR,
        };
        self.epochs += 1;
        let fresh = epoch(self.epochs);
        let life = if d == 255 { Life("other".to_owned()) } else { self.life.clone() };
        let call = match kind {
            0..=8 => {
                let old = if c % 5 == 0 { 2 * HOUR } else { Duration::ZERO };
                let time = SystemTime::UNIX_EPOCH + Duration::from_millis(self.now) - old;
                let text = |number| "x".repeat(usize::from(b) * number);
                let messages = (0..usize::from(c % 4) + 1)
                    .map(|number| StoredMessage { time, ..message(&text(number)) })
                    .collect();
                let key = (d % 3 == 0).then(|| {
                    let (key, fingerprint) = ((c % 8).to_string(), u64::from(c));
                    (IdempotencyKey { key, fingerprint }, HOUR)
                });
                let sequence = Sequence(self.epochs.saturating_sub(u64::from(c % 7)).max(1));
                Call::Publish(Publish { room, life, sequence, messages, key, limits, epoch: fresh })
            }
            9..=11 => {
                let known = self.saved.0.position(&room);
                let after =
                    known.map(|known| Position { offset: known.offset.back(usize::from(c % 5)), ..known });
                let begin = (b % 2 == 0).then_some(fresh);
                Call::Fetch(Fetch { room, life, after, begin, limits })
            }
            12..=14 => {
                let mirror = if b % 8 == 0 { &self.fake } else { &self.mirror };
                let entries: Vec<_> = mirror.entries(&room).iter().map(|entry| Entry::clone(entry)).collect();
                let Some(until) = mirror.position(&room) else { return };
                let entries = entries[entries.len().min(usize::from(c % 4))..].to_vec();
                let sequences = vec![(node, Sequence(u64::from(d)))];
                let forks = mirror.forks(&room);
                Call::Restore(Restore { room, life, until, forks, sequences, entries, limits })
            }
            15..=17 => {
                let speakers = |bits: u8| (0..4).filter(move |bit| bits >> bit & 1 == 1).map(speaker);
                Call::Members(Members {
                    room,
                    sequence: Sequence(u64::from(d % 3)),
                    clients: usize::from(a / 2 % 3),
                    joined: speakers(c).collect(),
                    left: speakers(c >> 4).collect(),
                    whole: d % 5 == 0,
                })
            }
            18 => return self.save(),
            19..=20 => {
                self.mirror = self.fake.clone();
                match b % 4 {
                    0 => {
                        self.server.query::<()>(&redis::cmd("FLUSHALL"));
                        self.fake.flush();
                    }
                    _ => self.fail_over(),
                }
                self.life = Life(format!("life{}", self.epochs));
                return self.note_life(if c % 2 == 0 { self.now } else { 0 });
            }
            _ => return self.note_life(0), // the window is over
        };
        let (expected, pushes) = self.fake.call(node, &call, self.now);
        let reply = self.server.call(node, &call);
        assert_eq!(without_time(reply), without_time(expected), "{call:?}");
        let pushes: Vec<_> = pushes.into_iter().map(|(room, push)| (room, sorted(push))).collect();
        assert_eq!(self.server.pushes(), pushes, "{call:?}");
    }
}

fn rooms() -> [RoomName; 2] {
    ["news", "sport"].map(|name| name.parse().unwrap())
}

/// The reply without times that pass between the two calls.
fn without_time(reply: Reply) -> Reply {
    let round = |rest: Duration| if rest.is_zero() { rest } else { HOUR };
    match reply {
        Reply::Wait { over } => Reply::Wait { over: round(over) },
        Reply::Room(state) => Reply::Room(RoomState { restore: round(state.restore), ..state }),
        reply => reply,
    }
}

#[test]
fn the_redis_in_memory_does_what_the_scripts_do() {
    let Some(mut server) = Server::start(false, HOUR, &[]) else { return };
    rooms().iter().for_each(|room| server.subscribe(room));
    let steps = prop::collection::vec((0..22_u8, any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()), 1..60);
    let server = std::cell::RefCell::new(server);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&steps, |steps| {
        let mut server = server.borrow_mut();
        let mut pair = Pair::new(&mut server);
        steps.into_iter().for_each(|step| pair.step(step));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_script_has_its_own_checksum() {
    let sums: BTreeSet<_> = ALL.iter().map(|script| &script.sha1).collect();
    assert_eq!(sums.len(), ALL.len());
    assert!(ALL.iter().all(|script| script.sha1.len() == 40));
}
