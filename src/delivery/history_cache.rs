//! The histories of rooms as joining clients receive them: encoded once for all of them.
//!
//! To encode a history of 256 messages takes half a millisecond, of the worst content 34 ms; to
//! slice it takes some microseconds. After an outage of the network, thousands of clients request
//! the same messages at the same time. A history is encoded in steps, and live messages are
//! delivered between them.

use crate::{
    history::{Epoch, HistorySlice, Message, Offset},
    ids::{RoomSlot, SpeakerId},
    limits::Backlog,
    metrics::Metrics,
    protocol::{Encoding, Protocol, sse, v1},
    wire,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// The encoded histories of one worker thread, bounded in bytes. The segment that was used last is
/// kept whatever its size, for all clients that wait for it.
pub struct HistoryCache {
    /// The largest number of bytes of all segments together, inclusive, if there are several.
    capacity: usize,
    held: usize,
    segments: HashMap<Key, Cached>,
    /// The segments in the order of their last use, the least recently used first.
    order: BTreeMap<u64, Key>,
    /// The number of uses so far.
    uses: u64,
    metrics: Arc<Metrics>,
    backlog: Arc<Backlog>,
}

/// The room and the encoding of a segment.
type Key = (RoomSlot, Encoding);

struct Cached {
    segment: Segment,
    /// The number of its last use.
    use_number: u64,
    /// The time of its last use.
    used: Instant,
}

/// A run of encoded messages without a gap.
struct Segment {
    epoch: Epoch,
    /// The offsets before the first message and of the last one.
    range: Range<Offset>,
    pieces: VecDeque<Piece>,
}

/// Consecutive messages in memory of their own. A client that is slow to receive a history keeps
/// alive only the pieces that it has not received.
struct Piece {
    bytes: Bytes,
    /// The end of each message in `bytes`.
    ends: Vec<usize>,
    /// The offset of the last message.
    last: Offset,
    backlog: Arc<Backlog>,
}

/// Memory that outboxes share. It counts once, however many of them hold it: a piece in the bytes
/// of its cache, and from its end there in the backlog, until the last outbox has sent it.
struct SharedBytes {
    bytes: Vec<u8>,
    backlog: Arc<Backlog>,
}

impl HistoryCache {
    /// Time after which an encoded history that no newcomer asked for is dropped.
    pub const LIFETIME: Duration = Duration::from_secs(10);

    /// An empty cache of `capacity` bytes; `backlog` counts histories that outboxes still hold when
    /// they are not cached any more.
    pub fn new(capacity: usize, metrics: Arc<Metrics>, backlog: Arc<Backlog>) -> Self {
        let (segments, order) = (HashMap::new(), BTreeMap::new());
        Self { capacity, held: 0, segments, order, uses: 0, metrics, backlog }
    }

    /// Encodes requested messages that the cache lacks: up to the message with which they reach
    /// 64 KiB. Returns `true` if it lacks none any more.
    pub fn encode_some(&mut self, room: RoomSlot, encoding: Encoding, slice: &HistorySlice) -> bool {
        let key = key(room, encoding);
        let known = self.remove(key).filter(|segment| segment.adjoins(slice));
        let mut segment = known.unwrap_or_else(|| Segment::empty(slice));
        if !segment.covers(slice) {
            segment.drop_forgotten(slice);
            segment.extend(&slice.messages, encoding, &self.backlog);
        }
        let is_complete = segment.covers(slice);
        self.keep(key, segment);
        is_complete
    }

    /// Returns the frames of the requested messages for `who`, in a few pieces, and the number of
    /// messages. They are not compressed, since compression pays only for messages that many
    /// clients receive.
    ///
    /// # Panics
    /// If the last call of [`HistoryCache::encode_some`] was not for `slice`, or returned `false`.
    pub fn frames(
        &self,
        room: RoomSlot,
        encoding: Encoding,
        slice: &HistorySlice,
        who: SpeakerId,
    ) -> (Vec<Bytes>, usize) {
        let cached = self.segments.get(&key(room, encoding)).expect("the last used segment is kept");
        cached.segment.frames(slice, who)
    }

    /// Drops the histories that were last used [`Self::LIFETIME`] before `now`, or earlier.
    pub fn drop_unused(&mut self, now: Instant) {
        while let Some((_, key)) = self.order.first_key_value()
            && now.saturating_duration_since(self.segments[key].used) >= Self::LIFETIME
        {
            self.remove(*key);
        }
        if self.segments.is_empty() {
            self.segments = HashMap::new(); // releases its memory
        }
    }

    /// Keeps `segment` as the most recently used one; the least recently used ones are dropped for
    /// it.
    fn keep(&mut self, key: Key, segment: Segment) {
        while self.held + segment.cost() > self.capacity
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            self.remove(*oldest);
        }
        self.count(segment.cost() as i64);
        self.uses += 1;
        self.order.insert(self.uses, key);
        self.segments.insert(key, Cached { segment, use_number: self.uses, used: Instant::now() });
    }

    fn remove(&mut self, key: Key) -> Option<Segment> {
        let Cached { segment, use_number, .. } = self.segments.remove(&key)?;
        self.order.remove(&use_number);
        self.count(-(segment.cost() as i64));
        Some(segment)
    }

    fn count(&mut self, bytes: i64) {
        self.held = self.held.saturating_add_signed(bytes as isize);
        self.metrics.history_cache_bytes.inc_by(bytes);
    }
}

impl Drop for HistoryCache {
    fn drop(&mut self) {
        self.metrics.history_cache_bytes.dec_by(self.held as i64);
    }
}

fn key(room: RoomSlot, encoding: Encoding) -> Key {
    (room, Encoding { window: None, ..encoding })
}

impl Segment {
    /// Bytes of the list entries around a segment.
    const OVERHEAD: usize = 256;

    /// A segment without messages, at the beginning of `slice`.
    fn empty(HistorySlice { from, until, .. }: &HistorySlice) -> Self {
        Self { epoch: until.epoch, range: from.offset..from.offset, pieces: VecDeque::new() }
    }

    /// Returns `true` if no message is missing between the segment and the requested ones.
    fn adjoins(&self, HistorySlice { from, until, .. }: &HistorySlice) -> bool {
        self.epoch == until.epoch && self.range.start <= until.offset && self.range.end >= from.offset
    }

    /// Returns `true` if the segment holds all requested messages.
    fn covers(&self, HistorySlice { from, until, .. }: &HistorySlice) -> bool {
        self.range.start <= from.offset && self.range.end >= until.offset
    }

    /// Drops the pieces of which the room keeps no message.
    fn drop_forgotten(&mut self, slice: &HistorySlice) {
        while let Some(first) = self.pieces.front().filter(|piece| piece.last <= slice.forgotten) {
            self.range.start = first.last;
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            *self = Self::empty(slice);
        }
    }

    /// Encodes some of `messages` next to the segment: first those before it, then those after it.
    fn extend(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let index_after = |offset| messages.partition_point(|message| message.position.offset <= offset);
        match &messages[..index_after(self.range.start)] {
            [] => self.append(&messages[index_after(self.range.end)..], encoding, backlog),
            before => self.prepend(before, encoding, backlog),
        }
    }

    /// Appends some of `messages`, and joins them with the last piece if it is small.
    fn append(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let is_joined = self.pieces.back().is_some_and(Piece::is_small);
        let last = if is_joined { self.pieces.pop_back() } else { None };
        let known = last.as_ref().map_or(0, |piece| piece.bytes.len());
        let frames = encode_until_full(messages.iter(), known, encoding);
        let end = messages[frames.len() - 1].position.offset;
        self.range.end = end;
        let parts = last.iter().flat_map(Piece::frames).chain(frames.iter().map(|frame| &frame[..]));
        self.pieces.push_back(Piece::new(parts, end, backlog));
    }

    /// Prepends some of `messages`, and joins them with the first piece if it is small.
    fn prepend(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let is_joined = self.pieces.front().is_some_and(Piece::is_small);
        let first = if is_joined { self.pieces.pop_front() } else { None };
        let known = first.as_ref().map_or(0, |piece| piece.bytes.len());
        let frames = encode_until_full(messages.iter().rev(), known, encoding);
        let end = first.as_ref().map_or(self.range.start, |piece| piece.last);
        self.range.start = self.range.start.back(frames.len());
        let frames_in_order = frames.iter().rev().map(|frame| &frame[..]);
        let parts = frames_in_order.chain(first.iter().flat_map(Piece::frames));
        self.pieces.push_front(Piece::new(parts, end, backlog));
    }

    /// Returns the frames of the requested messages that are for `who`, and the number of messages.
    fn frames(&self, HistorySlice { messages, .. }: &HistorySlice, who: SpeakerId) -> (Vec<Bytes>, usize) {
        let (mut parts, mut count, mut rest) = (Vec::new(), 0, &messages[..]);
        let mut start = self.range.start;
        for piece in &self.pieces {
            let (here, later) =
                rest.split_at(rest.partition_point(|message| message.position.offset <= piece.last));
            let index = |message: &Message| message.position.offset.since(start).map(|number| number - 1);
            let wanted =
                here.iter().filter(|message| message.is_for(who)).filter_map(|message| index(message));
            let wanted: Vec<_> = wanted.collect();
            count += wanted.len();
            parts.extend(piece.part(&wanted));
            (rest, start) = (later, piece.last);
        }
        (parts, count)
    }

    fn cost(&self) -> usize {
        Self::OVERHEAD + self.pieces.iter().map(Piece::cost).sum::<usize>()
    }
}

impl Piece {
    /// Bytes up to which a piece grows; the message that reaches them is its last.
    const SIZE: usize = 64 << 10;

    /// Joins `frames`, in exactly as much memory as they need; `last` is the offset of the last
    /// one.
    fn new<'f>(frames: impl Iterator<Item = &'f [u8]> + Clone, last: Offset, backlog: &Arc<Backlog>) -> Self {
        let ends = frames.clone().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        let ends: Vec<_> = ends.collect();
        let mut bytes = Vec::with_capacity(ends.last().copied().unwrap_or_default());
        frames.for_each(|frame| bytes.extend_from_slice(frame));
        let bytes = Bytes::from_owner(SharedBytes { bytes, backlog: backlog.clone() });
        Self { bytes, ends, last, backlog: backlog.clone() }
    }

    fn is_small(&self) -> bool {
        self.bytes.len() < Self::SIZE
    }

    /// Iterates over the frames.
    fn frames(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.ends.len()).map(|index| &self.bytes[self.range(index)])
    }

    fn range(&self, index: usize) -> Range<usize> {
        index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index]
    }

    /// Returns the frames with the indices `wanted`, in one part. It shares the memory of the piece
    /// if it is a run of at least half of it. Another part is copied: in an outbox, it would keep
    /// the whole piece alive.
    fn part(&self, wanted: &[usize]) -> Option<Bytes> {
        let (first, last) = (*wanted.first()?, *wanted.last()?);
        let run = self.range(first).start..self.range(last).end;
        if last - first + 1 == wanted.len() && run.len() >= self.bytes.len() / 2 {
            return Some(self.bytes.slice(run));
        }
        let length = wanted.iter().map(|index| self.range(*index).len()).sum();
        let mut bytes = Vec::with_capacity(length);
        wanted.iter().for_each(|index| bytes.extend_from_slice(&self.bytes[self.range(*index)]));
        self.backlog.add(length);
        Some(Bytes::from_owner(SharedBytes { bytes, backlog: self.backlog.clone() }))
    }

    fn cost(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.ends.capacity() * size_of::<usize>()
    }
}

impl Drop for Piece {
    /// The bytes leave the cache; [`SharedBytes`] takes them out of the backlog.
    fn drop(&mut self) {
        self.backlog.add(self.bytes.len());
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        self.backlog.remove(self.bytes.len());
    }
}

/// Encodes `messages`, up to the one with which they and `known` bytes reach [`Piece::SIZE`].
fn encode_until_full<'m>(
    messages: impl Iterator<Item = &'m Arc<Message>>,
    known: usize,
    encoding: Encoding,
) -> Vec<Bytes> {
    let mut length = known;
    let frames = messages.map_while(|message| {
        let frame = (length < Piece::SIZE).then(|| encoded(message, encoding))?;
        length += frame.len();
        Some(frame)
    });
    frames.collect()
}

fn encoded(message: &Message, encoding: Encoding) -> Bytes {
    match encoding.protocol {
        Protocol::Raw => wire::plain(&message.payload),
        Protocol::V1 => wire::plain(&v1::message(message)),
        Protocol::Events(framing) => sse::message(message).framed(framing).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Audience, History, HistoryLimits, HistoryRequest, NewMessage},
        policy::Policy,
        protocol::Framing,
        testing::{HISTORY, slot, slots},
        wire::Payload,
    };
    use proptest::prelude::*;

    const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };
    const V1: Encoding = Encoding { protocol: Protocol::V1, window: None };
    const EVENTS: Encoding = Encoding { protocol: Protocol::Events(Framing::Chunked), window: None };

    fn backlog() -> Arc<Backlog> {
        let policy = Policy::default();
        Arc::new(Backlog::new(policy.session.outbox, policy.limits.outbox_bytes_total))
    }

    fn cache(capacity: usize) -> HistoryCache {
        HistoryCache::new(capacity, Arc::default(), backlog())
    }

    /// Encodes all of `slice`; returns the frames in parts, and the number of messages.
    fn parts(
        cache: &mut HistoryCache,
        room: RoomSlot,
        encoding: Encoding,
        slice: &HistorySlice,
        who: SpeakerId,
    ) -> (Vec<Bytes>, usize) {
        while !cache.encode_some(room, encoding, slice) {}
        cache.frames(room, encoding, slice, who)
    }

    /// Encodes all of `slice`; returns the frames in one piece, and the number of messages.
    fn frames(
        cache: &mut HistoryCache,
        encoding: Encoding,
        slice: &HistorySlice,
        who: SpeakerId,
    ) -> (Vec<u8>, usize) {
        let (parts, messages) = parts(cache, slot(), encoding, slice, who);
        (parts.concat(), messages)
    }

    fn history() -> History {
        History::new(HISTORY)
    }

    fn append(history: &mut History, text: &str, audience: Audience) {
        let message = NewMessage { payload: Payload::Text(text.into()), who: None, audience };
        history.append(message, Instant::now());
    }

    fn last(history: &History, last: usize) -> HistorySlice {
        history.slice(HistoryRequest { since: None, last })
    }

    /// The same without a cache.
    fn plainly(encoding: Encoding, slice: &HistorySlice, who: SpeakerId) -> Vec<u8> {
        let messages = slice.messages.iter().filter(|message| message.is_for(who));
        messages.flat_map(|message| encoded(message, encoding)).collect()
    }

    #[test]
    fn a_history_is_encoded_once_for_all_newcomers_in_every_form() {
        let (mut cache, mut history, who) = (cache(1 << 20), history(), SpeakerId::next());
        (0..100).for_each(|number| append(&mut history, &format!("{number}"), Audience::Everyone));
        for encoding in [RAW, V1, EVENTS] {
            let slice = last(&history, 100);
            let (first, messages) = parts(&mut cache, slot(), encoding, &slice, who);
            assert_eq!((first.concat(), messages), (plainly(encoding, &slice, who), 100));
            let since = history.slice(HistoryRequest { since: Some(slice.from), last: 0 });
            for again in [slice, since] {
                let (second, _) = parts(&mut cache, slot(), encoding, &again, SpeakerId::next());
                assert_eq!(second[0].as_ptr(), first[0].as_ptr(), "{encoding:?}");
            }
            let (part, messages) = parts(&mut cache, slot(), encoding, &last(&history, 80), who);
            assert!(first[0].as_ptr_range().contains(&part[0].as_ptr()) && messages == 80, "{encoding:?}");
        }
    }

    #[test]
    fn a_long_history_is_encoded_in_steps_of_one_piece() {
        let (mut cache, mut history) = (cache(0), history());
        (0..256).for_each(|_| append(&mut history, &"\n".repeat(2000), Audience::Everyone));
        let slice = last(&history, 256);
        let mut steps = 1;
        while !cache.encode_some(slot(), EVENTS, &slice) {
            steps += 1;
            let piece = cache.segments.values().flat_map(|cached| &cached.segment.pieces).last();
            assert!(piece.unwrap().bytes.len() < Piece::SIZE + 16_000, "a piece and a message");
        }
        assert!((40..=60).contains(&steps), "{steps} steps for some 3.5 MB");
        let who = SpeakerId::next();
        assert_eq!(cache.frames(slot(), EVENTS, &slice, who).0.concat(), plainly(EVENTS, &slice, who));
        assert!(cache.encode_some(slot(), EVENTS, &slice), "it is kept whatever its size");

        append(&mut history, "news", Audience::Everyone);
        let steps = (1..).find(|_| cache.encode_some(slot(), EVENTS, &last(&history, 256)));
        assert_eq!(steps, Some(1), "only the news is encoded");
    }

    #[test]
    fn a_cache_stays_within_its_capacity_and_gives_back_what_is_not_used() {
        let metrics = Arc::new(Metrics::new());
        let mut cache = HistoryCache::new(10_000, metrics.clone(), backlog());
        let mut history = history();
        for number in 0..200 {
            append(&mut history, &format!("{number:>1000}"), Audience::Everyone);
            let slice = last(&history, number);
            for encoding in [RAW, V1, EVENTS] {
                let (part, _) = frames(&mut cache, encoding, &slice, SpeakerId::next());
                assert_eq!(part, plainly(encoding, &slice, SpeakerId::next()));
                assert!(cache.held <= 10_000 || cache.segments.len() == 1, "{}", cache.held);
            }
        }
        assert_eq!(metrics.history_cache_bytes.get(), cache.held as i64);
        cache.drop_unused(Instant::now());
        assert!(cache.held > 0, "it was just used");
        cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
        assert_eq!((cache.held, metrics.history_cache_bytes.get(), cache.order.len()), (0, 0, 0));
        assert_eq!(cache.backlog.held(), 0);
    }

    #[test]
    fn a_history_counts_once_for_all_outboxes_and_only_after_it_has_left_the_cache() {
        let (mut cache, mut history) = (cache(1 << 20), history());
        append(&mut history, &"x".repeat(1000), Audience::Everyone);
        append(&mut history, "y", Audience::Everyone);
        let slice = last(&history, 2);
        let outboxes: Vec<_> =
            (0..9).map(|_| parts(&mut cache, slot(), RAW, &slice, SpeakerId::next()).0).collect();
        assert_eq!(cache.backlog.held(), 0);
        let (copied, _) = parts(&mut cache, slot(), RAW, &last(&history, 1), SpeakerId::next());
        assert_eq!(cache.backlog.held(), copied.concat().len(), "a small part is a copy of its own");
        drop(copied);
        cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
        assert_eq!(cache.backlog.held(), outboxes[0].concat().len());
        drop(outboxes);
        assert_eq!(cache.backlog.held(), 0);
    }

    #[test]
    fn the_room_that_was_asked_for_longest_ago_makes_way() {
        let (mut cache, mut history, who) = (cache(5000), history(), SpeakerId::next());
        append(&mut history, &"x".repeat(1000), Audience::Everyone);
        let (slots, slice) = (slots(5), last(&history, 1));
        let kept = |cache: &HistoryCache| {
            slots.iter().map(|slot| cache.segments.contains_key(&(*slot, RAW))).collect::<Vec<_>>()
        };
        for slot in &slots[..3] {
            parts(&mut cache, *slot, RAW, &slice, who);
        }
        parts(&mut cache, slots[0], RAW, &slice, who);
        parts(&mut cache, slots[3], RAW, &slice, who);
        assert_eq!(kept(&cache), [true, false, true, true, false]);
    }

    #[test]
    fn the_next_room_in_the_same_slot_has_a_history_of_its_own() {
        let (mut cache, who) = (cache(1 << 20), SpeakerId::next());
        for text in ["before", "after"] {
            let mut history = history();
            append(&mut history, text, Audience::Everyone);
            let slice = last(&history, 9);
            assert_eq!(frames(&mut cache, RAW, &slice, who).0, plainly(RAW, &slice, who));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// However newcomers and messages alternate, a newcomer receives what it would receive
        /// without a cache.
        #[test]
        fn a_cached_history_is_the_history(
            steps in prop::collection::vec((0..4_usize, 0..60_usize, 0..12_usize, any::<bool>()), 1..40),
            capacity in 0..200_000_usize,
        ) {
            let limits = HistoryLimits { messages: 20, ..HISTORY };
            let (mut cache, mut history) = (cache(capacity), History::new(limits));
            let (anna, bert) = (SpeakerId::next(), SpeakerId::next());
            let mut earlier = Vec::new();
            for (encoding, length, messages, is_published) in steps {
                let audience = [Audience::Everyone, Audience::Except(anna)][length % 2];
                if is_published {
                    (0..messages).for_each(|_| append(&mut history, &"x".repeat(length * 100), audience));
                }
                let encoding = [RAW, V1, EVENTS, RAW][encoding];
                earlier.push(last(&history, length / 2));
                let waited = &earlier[earlier.len().saturating_sub(1 + messages % 3)]; // perhaps an old one
                for slice in [waited, &last(&history, length / 3)] {
                    for who in [anna, bert] {
                        if slice.messages.is_empty() {
                            continue;
                        }
                        let (part, count) = frames(&mut cache, encoding, slice, who);
                        prop_assert_eq!(part, plainly(encoding, slice, who));
                        prop_assert_eq!(count, slice.messages.iter().filter(|message| message.is_for(who)).count());
                    }
                }
                let held = cache.segments.values().map(|cached| cached.segment.cost()).sum::<usize>();
                prop_assert!(cache.held == held && (held <= capacity || cache.segments.len() == 1));
                prop_assert!(cache.order.len() == cache.segments.len());
            }
            let backlog = cache.backlog.clone();
            drop(cache);
            prop_assert_eq!(backlog.held(), 0);
        }
    }
}
