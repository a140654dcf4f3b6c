//! Calls as scripts of Redis, and the values of Redis as replies.
//!
//! All keys of a room and its channel contain one of 256 tags, so that they are in one slot of a
//! cluster. The scripts check everything before they write, and so are carried out wholly or not at
//! all; scripts/*.lua say what they read and return. They need Redis 6.2, 7 or Valkey.

use super::{
    call::{Call, Fetch, Life, Members, Publish, Reply, Restore, RoomState},
    codec::{self, DecodeError},
    entry::{Entry, NodeId, Sequence, StoredMessage},
};
use crate::{
    config::RoomName,
    history::{Epoch, HistoryLimits, Offset, Position},
    ids::SpeakerId,
};
use redis::{Cmd, ToRedisArgs, Value};
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

/// Tags: each stands for 64 of the 16,384 slots of a cluster.
pub const TAGS: usize = 256;

/// The time for which a room without messages is kept after it was used last. Open rooms are
/// fetched more often than that.
const MIN_TIME_TO_LIVE: Duration = Duration::from_secs(5 * 60);

/// The end of an earlier epoch is remembered for this number of epochs.
pub const MAX_FORKS: usize = 8;

/// A script and its SHA-1, by which Redis knows it once it is loaded.
#[derive(Debug)]
pub struct Script {
    /// The source.
    pub source: &'static str,
    /// 40 hexadecimal digits.
    pub sha1: String,
}

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("scripts/common.lua"),
            include_str!(concat!("scripts/", $name, ".lua"))
        ))
    };
}

/// Every script.
pub static ALL: LazyLock<[Script; 5]> = LazyLock::new(|| {
    [script!("life"), script!("publish"), script!("fetch"), script!("restore"), script!("members")]
});

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, sha1: redis::Script::new(source).get_hash().to_owned() }
    }

    fn life() -> &'static Self {
        &ALL[0]
    }

    fn publish() -> &'static Self {
        &ALL[1]
    }

    fn fetch() -> &'static Self {
        &ALL[2]
    }

    fn restore() -> &'static Self {
        &ALL[3]
    }

    fn members() -> &'static Self {
        &ALL[4]
    }
}

/// The reply of a script is not one that it can return.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplyError {
    /// Redis has returned an error.
    #[error("{0}")]
    Server(String),
    /// The value has another form.
    #[error("Redis has returned {0}, not what the script returns")]
    Form(&'static str),
    /// The history holds something that is no batch.
    #[error(transparent)]
    Payload(#[from] DecodeError),
}

/// The reply of the script that asks which process Redis is.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeReply {
    /// The process.
    pub life: Life,
    /// The rest of `backplane.restore`, zero when it is over.
    pub restore: Duration,
    /// The time of Redis, in whole milliseconds.
    pub time: SystemTime,
}

/// The names of keys and channels, and the commands that use them.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
    shard_channels: bool,
    restore: Duration,
    tags: Vec<String>,
}

impl Keys {
    /// Creates names that begin with `prefix`, which contains no brace. Messages are published in
    /// shard channels if Redis has them (Redis 7, Valkey). Nodes may restore a room until `restore`
    /// after the beginning of a life of Redis; the same for all nodes.
    pub fn new(prefix: &str, shard_channels: bool, restore: Duration) -> Self {
        Self { prefix: prefix.to_owned(), shard_channels, restore, tags: tags() }
    }

    /// The command that carries out `call` on behalf of `node`, if Redis knows the script: else the
    /// answer is the error `NOSCRIPT`. `None` for subscriptions, which are no scripts.
    ///
    /// A dead node is removed from a room by [`Call::Members`] on its behalf, with `whole`, no
    /// client, no speaker, and the sequence 0.
    pub fn command(&self, node: NodeId, call: &Call) -> Option<Cmd> {
        match call {
            Call::Publish(publish) => Some(self.publish(node, publish)),
            Call::Fetch(fetch) => Some(self.fetch(fetch)),
            Call::Restore(restore) => Some(self.restore(restore)),
            Call::Members(members) => Some(self.members(node, members)),
            Call::GetLife => Some(self.life_command()),
            Call::Subscribe(_) | Call::Unsubscribe(_) => None,
        }
    }

    /// The command that asks which process Redis is, and notes it for all rooms: [`read_life`]. Not
    /// for a cluster, since it uses keys of all slots.
    pub fn life_command(&self) -> Cmd {
        let keys: Vec<_> = self.tags.iter().map(|tag| format!("{}{{{tag}}}life", self.prefix)).collect();
        let mut command = begin(Script::life(), &keys);
        command.arg(millis(self.restore));
        command
    }

    /// The channel in which a room is published.
    pub fn channel(&self, room: &RoomName) -> String {
        self.key(room, "ch:")
    }

    /// The room that is published in `channel`, if it is one of this prefix.
    pub fn room_of(&self, channel: &[u8]) -> Option<RoomName> {
        let rest = channel.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"{")?;
        let (tag, name) = str::from_utf8(rest).ok()?.split_once("}ch:")?;
        let room = name.parse().ok()?;
        (tag == self.tag(&room)).then_some(room)
    }

    /// The sets that hold, together, all rooms in which `node` has clients. They have no time to
    /// live: a node that is removed from its rooms is removed from them too.
    pub fn rooms_of_node(&self, node: NodeId) -> impl Iterator<Item = String> {
        self.tags.iter().map(move |tag| format!("{}{{{tag}}}noderooms:{node}", self.prefix))
    }

    fn tag(&self, room: &RoomName) -> &str {
        &self.tags[usize::from(crc16(room.as_str().as_bytes())) % TAGS]
    }

    fn key(&self, room: &RoomName, kind: &str) -> String {
        format!("{}{{{}}}{kind}{room}", self.prefix, self.tag(room))
    }

    fn life_key(&self, room: &RoomName) -> String {
        format!("{}{{{}}}life", self.prefix, self.tag(room))
    }

    fn publish_command(&self) -> &'static str {
        if self.shard_channels { "SPUBLISH" } else { "PUBLISH" }
    }

    fn publish(&self, node: NodeId, publish: &Publish) -> Cmd {
        let Publish { room, life, sequence, messages, key, limits, epoch } = publish;
        let mut keys = vec![
            self.life_key(room),
            self.key(room, "room:"),
            self.key(room, "log:"),
            self.key(room, "clients:"),
        ];
        if let Some((key, _)) = key {
            keys.push(format!("{}:{}", self.key(room, "key:"), key.key));
        }
        let size = BatchSize::of(messages);
        let (most_messages, most_bytes) = bounds(limits);
        let mut command = begin(Script::publish(), &keys);
        command
            .arg(&life.0)
            .arg(millis(self.restore))
            .arg(self.publish_command())
            .arg(self.channel(room))
            .arg(time_to_live(limits))
            .arg(node.to_string())
            .arg(sequence.0)
            .arg(messages.len())
            .arg(epoch.to_string())
            .arg(size.cost)
            .arg(size.before_last)
            .arg(size.time)
            .arg(most_messages)
            .arg(most_bytes)
            .arg(codec::encode_tail(node, *sequence, messages));
        if let Some((key, window)) = key {
            command.arg(format!("{:016x}", key.fingerprint)).arg(millis(*window).max(1));
        }
        command
    }

    fn fetch(&self, Fetch { room, life, after, begin: epoch, limits }: &Fetch) -> Cmd {
        let keys = [
            self.life_key(room),
            self.key(room, "room:"),
            self.key(room, "log:"),
            self.key(room, "clients:"),
            self.key(room, "speakers:"),
        ];
        let mut command = begin(Script::fetch(), &keys);
        command
            .arg(&life.0)
            .arg(millis(self.restore))
            .arg(time_to_live(limits))
            .arg(millis(limits.age))
            .arg(epoch.map(|epoch| epoch.to_string()).unwrap_or_default())
            .arg(after.map(|after| after.epoch.to_string()).unwrap_or_default())
            .arg(after.map(|after| after.offset.to_u64().min(codec::NUMBER_BOUND)).unwrap_or_default());
        command
    }

    fn restore(&self, restore: &Restore) -> Cmd {
        let Restore { room, life, until, forks, sequences, entries, limits } = restore;
        let keys = [self.life_key(room), self.key(room, "room:"), self.key(room, "log:")];
        let (most_messages, most_bytes) = bounds(limits);
        let forks: Vec<_> = last_forks(forks).iter().map(Position::to_string).collect();
        let mut command = begin(Script::restore(), &keys);
        command
            .arg(&life.0)
            .arg(self.publish_command())
            .arg(self.channel(room))
            .arg(time_to_live(limits))
            .arg(until.epoch.to_string())
            .arg(until.offset.to_u64())
            .arg(forks.join(" "))
            .arg(most_messages)
            .arg(most_bytes)
            .arg(sequences.len());
        for (node, sequence) in sequences {
            command.arg(node.to_string()).arg(sequence.0);
        }
        for entry in reaching(entries, *until) {
            let size = BatchSize::of(&entry.messages);
            let last = entry.until.offset;
            command
                .arg(entry.first().to_u64())
                .arg(last.to_u64())
                .arg(entry.node.to_string())
                .arg(entry.sequence.0)
                .arg(entry.until.epoch.to_string())
                .arg(size.cost)
                .arg(size.before_last)
                .arg(size.time)
                .arg(codec::encode_entry(entry));
        }
        command
    }

    fn members(&self, node: NodeId, members: &Members) -> Cmd {
        let Members { room, sequence, clients, joined, left, whole } = members;
        let keys = [
            self.key(room, "clients:"),
            self.key(room, "speakers:"),
            format!("{}{{{}}}noderooms:{node}", self.prefix, self.tag(room)),
        ];
        let mut command = begin(Script::members(), &keys);
        command
            .arg(self.publish_command())
            .arg(self.channel(room))
            .arg(millis(MIN_TIME_TO_LIVE))
            .arg(room.as_str())
            .arg(node.to_string())
            .arg(sequence.0)
            .arg(*clients)
            .arg(u8::from(*whole))
            .arg(joined.len());
        for speaker in joined.iter().chain(left) {
            command.arg(speaker.to_string());
        }
        command
    }
}

fn begin<K: ToRedisArgs>(script: &'static Script, keys: &[K]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(&script.sha1);
    command.arg(keys.len()).arg(keys);
    command
}

/// The facts of a batch that a script needs without reading it.
struct BatchSize {
    /// The bytes for which it counts in the history.
    cost: usize,
    /// The same without its last message.
    before_last: usize,
    /// The time of its last message, in milliseconds since 1970.
    time: u64,
}

impl BatchSize {
    fn of(messages: &[StoredMessage]) -> Self {
        let cost = messages.iter().map(StoredMessage::cost).sum();
        let last = messages.last();
        let before_last = cost - last.map_or(0, StoredMessage::cost);
        Self { cost, before_last, time: last.map_or(0, |last| codec::to_millis(last.time)) }
    }
}

/// The bounds of messages and bytes; if one bound is zero, the room keeps no message.
pub(super) fn bounds(limits: &HistoryLimits) -> (usize, usize) {
    let keeps = limits.messages > 0 && limits.bytes > 0 && !limits.age.is_zero();
    if keeps { (limits.messages, limits.bytes) } else { (0, 0) }
}

/// The time to live of the keys of a room, in milliseconds.
pub(super) fn time_to_live(limits: &HistoryLimits) -> u64 {
    millis(limits.age.max(MIN_TIME_TO_LIVE))
}

/// Whole milliseconds, rounded up, and not more than Redis can add to its time.
pub(super) fn millis(time: Duration) -> u64 {
    const MAX: u128 = 1 << 52; // 142,000 years
    time.as_nanos().div_ceil(1_000_000).min(MAX) as u64
}

/// The latest forks, as many as Redis keeps.
pub(super) fn last_forks(forks: &[Position]) -> &[Position] {
    &forks[forks.len().saturating_sub(MAX_FORKS)..]
}

/// The batches that lead to `until` without a gap.
pub(super) fn reaching(entries: &[Entry], until: Position) -> &[Entry] {
    let mut next = until.offset;
    let count = entries
        .iter()
        .rev()
        .take_while(|entry| {
            let fits = entry.until.offset == next && !entry.messages.is_empty();
            next = next.back(entry.messages.len());
            fits
        })
        .count();
    &entries[entries.len() - count..]
}

/// Reads the reply to `call`.
///
/// # Errors
/// [`ReplyError`] if it is no reply to it.
pub fn read(call: &Call, value: Value) -> Result<Reply, ReplyError> {
    let mut parts = Parts::of(value)?;
    if matches!(call, Call::GetLife) {
        return parts.life().map(|LifeReply { life, restore, .. }| Reply::Life(life, restore));
    }
    let kind = parts.bytes()?;
    match (call, kind.as_slice()) {
        (Call::Publish(_) | Call::Fetch(_) | Call::Restore(_), b"life") => Ok(Reply::OtherLife),
        (Call::Publish(_) | Call::Fetch(_), b"wait") => Ok(Reply::Wait { over: parts.millis()? }),
        (Call::Publish(_), b"published") => {
            Ok(Reply::Published { until: parts.position()?, clients: parts.count()? })
        }
        (Call::Publish(_), b"repeated") => Ok(Reply::Repeated { until: parts.position()? }),
        (Call::Publish(_), b"key") => read_key(&parts.bytes()?).ok_or(ReplyError::Form("another key")),
        (Call::Fetch(_), b"none") => Ok(Reply::NoRoom),
        (Call::Fetch(fetch), b"room") => read_room(&mut parts, &fetch.life).map(Reply::Room),
        (Call::Restore(_), b"restored") => Ok(Reply::Restored),
        (Call::Restore(_), b"kept") => Ok(Reply::Kept),
        (Call::Members(_), b"done") => Ok(Reply::Done),
        _ => Err(ReplyError::Form("the reply to another call")),
    }
}

/// Reads the reply to [`Keys::life_command`].
///
/// # Errors
/// [`ReplyError`] if it is no reply to it.
pub fn read_life(value: Value) -> Result<LifeReply, ReplyError> {
    Parts::of(value)?.life()
}

/// `FINGERPRINT EPOCH TOP COUNT`
fn read_key(used: &[u8]) -> Option<Reply> {
    let mut words = used.split(|byte| *byte == b' ');
    let fingerprint = codec::parse_hex(words.next()?)?;
    let until = parse_position(words.next()?, words.next()?)?;
    let messages = codec::parse_number(words.next()?)?.try_into().ok()?;
    words.next().is_none().then_some(Reply::KeyUsed { fingerprint, until, messages })
}

fn parse_position(epoch: &[u8], offset: &[u8]) -> Option<Position> {
    let epoch = codec::parse_hex(epoch).and_then(Epoch::from_u64)?;
    Some(Position { epoch, offset: Offset::from_u64(codec::parse_number(offset)?) })
}

fn parse_node(digits: &[u8]) -> Option<NodeId> {
    codec::parse_hex(digits).map(NodeId)
}

fn read_room(parts: &mut Parts, life: &Life) -> Result<RoomState, ReplyError> {
    let restore = parts.millis()?;
    let fields = Fields::read(parts.list()?, life)?;
    let entries = parts.list()?.map(|payload| Ok(codec::decode_entry(&payload?)?));
    let entries = entries.collect::<Result<_, ReplyError>>()?;
    let mut clients =
        parts.pairs(|node, count| Some((parse_node(node)?, codec::parse_number(count)?.try_into().ok()?)))?;
    clients.sort_unstable();
    let mut speakers = parts.list()?.map(|id| parse_speaker(&id?)).collect::<Result<Vec<_>, _>>()?;
    speakers.sort_unstable();
    let Fields { until, is_of_this_life, forks, sequences } = fields;
    Ok(RoomState { until, is_of_this_life, forks, entries, sequences, clients, speakers, restore })
}

fn parse_speaker(text: &[u8]) -> Result<SpeakerId, ReplyError> {
    let id = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    id.ok_or(ReplyError::Form("something else than a speaker"))
}

/// The fields of the hash of a room.
struct Fields {
    until: Position,
    is_of_this_life: bool,
    forks: Vec<Position>,
    sequences: Vec<(NodeId, Sequence)>,
}

impl Fields {
    fn read(
        mut list: impl Iterator<Item = Result<Vec<u8>, ReplyError>>,
        life: &Life,
    ) -> Result<Self, ReplyError> {
        const OTHER: ReplyError = ReplyError::Form("another field of a room");
        let (mut epoch, mut top) = (Vec::new(), Vec::new());
        let (mut is_of_this_life, mut forks, mut sequences) = (false, Vec::new(), Vec::new());
        while let Some(field) = list.next() {
            let value = list.next().ok_or(OTHER)??;
            match field?.as_slice() {
                b"epoch" => epoch = value,
                b"top" => top = value,
                b"life" => is_of_this_life = value == life.0.as_bytes(),
                b"forks" => forks = read_forks(&value).ok_or(OTHER)?,
                [b's', b':', node @ ..] => {
                    sequences.push(read_sequence(node, &value).ok_or(OTHER)?);
                }
                _ => {} // cost, base, and what later versions add
            }
        }
        sequences.sort_unstable();
        let until = parse_position(&epoch, &top).ok_or(OTHER)?;
        Ok(Self { until, is_of_this_life, forks, sequences })
    }
}

fn read_forks(text: &[u8]) -> Option<Vec<Position>> {
    let forks = text.split(|byte| *byte == b' ').filter(|fork| !fork.is_empty());
    forks.map(|fork| str::from_utf8(fork).ok()?.parse().ok()).collect()
}

fn read_sequence(node: &[u8], value: &[u8]) -> Option<(NodeId, Sequence)> {
    let sequence = value.split(|byte| *byte == b' ').next()?;
    Some((parse_node(node)?, Sequence(codec::parse_number(sequence)?)))
}

/// The elements of an array that are not read yet.
struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    fn of(value: Value) -> Result<Self, ReplyError> {
        match value {
            Value::Array(parts) | Value::Set(parts) => Ok(Self(parts.into_iter())),
            Value::Map(pairs) => {
                let parts: Vec<_> = pairs.into_iter().flat_map(|(name, value)| [name, value]).collect();
                Ok(Self(parts.into_iter()))
            }
            Value::Attribute { data, .. } => Self::of(*data),
            Value::ServerError(error) => Err(ReplyError::Server(error.to_string())),
            _ => Err(ReplyError::Form("no array")),
        }
    }

    fn next(&mut self) -> Result<Value, ReplyError> {
        self.0.next().ok_or(ReplyError::Form("too few parts"))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, ReplyError> {
        self.next().and_then(into_bytes)
    }

    /// A number below 2^53, as an integer or as text.
    fn number(&mut self) -> Result<u64, ReplyError> {
        let number = codec::parse_number(&self.bytes()?);
        number.ok_or(ReplyError::Form("something else than a number"))
    }

    fn count(&mut self) -> Result<usize, ReplyError> {
        self.number()?.try_into().map_err(|_| ReplyError::Form("too large a number"))
    }

    fn millis(&mut self) -> Result<Duration, ReplyError> {
        self.number().map(Duration::from_millis)
    }

    fn position(&mut self) -> Result<Position, ReplyError> {
        let (epoch, offset) = (self.bytes()?, self.bytes()?);
        parse_position(&epoch, &offset).ok_or(ReplyError::Form("something else than a position"))
    }

    fn life(&mut self) -> Result<LifeReply, ReplyError> {
        let life = String::from_utf8(self.bytes()?).map_err(|_| ReplyError::Form("another life"))?;
        let restore = self.millis()?;
        let time = SystemTime::UNIX_EPOCH + self.millis()?; // below 2^53 ms
        Ok(LifeReply { life: Life(life), restore, time })
    }

    fn list(&mut self) -> Result<impl Iterator<Item = Result<Vec<u8>, ReplyError>> + use<>, ReplyError> {
        Ok(Self::of(self.next()?)?.0.map(into_bytes))
    }

    fn pairs<T>(&mut self, read: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Vec<T>, ReplyError> {
        let mut list = Self::of(self.next()?)?;
        let mut pairs = Vec::new();
        while let Some(name) = list.0.next() {
            let (name, value) = (into_bytes(name)?, list.bytes()?);
            pairs.push(read(&name, &value).ok_or(ReplyError::Form("another pair"))?);
        }
        Ok(pairs)
    }
}

fn into_bytes(value: Value) -> Result<Vec<u8>, ReplyError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        Value::Attribute { data, .. } => into_bytes(*data),
        Value::ServerError(error) => Err(ReplyError::Server(error.to_string())),
        _ => Err(ReplyError::Form("something else than text")),
    }
}

/// The tags, one for each range of 64 slots: the first names whose slot is in it.
fn tags() -> Vec<String> {
    let mut tags = vec![String::new(); TAGS];
    let mut missing = TAGS;
    for number in 0.. {
        if missing == 0 {
            break;
        }
        let name = format!("w{number:03}");
        let tag = &mut tags[usize::from(crc16(name.as_bytes()) % 16384) / (16384 / TAGS)];
        if tag.is_empty() {
            *tag = name;
            missing -= 1;
        }
    }
    tags
}

/// The checksum by which Redis Cluster chooses the slot of a key: CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests;
