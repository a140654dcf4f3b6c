//! The histories of rooms as joining clients receive them: encoded once for all of them.
//!
//! To encode a history of 256 messages takes half a millisecond, to slice it some microseconds.
//! After an outage of the network, thousands of clients request the same messages at the same time.

use crate::{
    history::{Epoch, HistorySlice, Message, Offset},
    ids::{RoomSlot, SpeakerId},
    metrics::Metrics,
    protocol::{Encoding, Protocol, sse, v1},
    wire,
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// The encoded histories of one worker thread, bounded in bytes.
pub struct HistoryCache {
    /// The largest number of bytes of all segments.
    capacity: usize,
    held: usize,
    rooms: HashMap<RoomSlot, CachedRoom>,
    /// Rooms in the order of their last use, the least recently used first.
    order: BTreeSet<(Instant, RoomSlot)>,
    metrics: Arc<Metrics>,
}

struct CachedRoom {
    used: Instant,
    /// One for each requested encoding.
    segments: Vec<(Encoding, Segment)>,
}

/// A run of encoded messages without a gap.
struct Segment {
    epoch: Epoch,
    /// The offsets before the first message and of the last one.
    range: Range<Offset>,
    bytes: Bytes,
    /// The end of each message in `bytes`.
    ends: Vec<usize>,
}

impl HistoryCache {
    /// Time after which an encoded history that no newcomer asked for is dropped.
    pub const LIFETIME: Duration = Duration::from_secs(10);

    /// An empty cache of `capacity` bytes.
    pub fn new(capacity: usize, metrics: Arc<Metrics>) -> Self {
        Self { capacity, held: 0, rooms: HashMap::new(), order: BTreeSet::new(), metrics }
    }

    /// Returns the requested messages for `who` in one piece, and their number. They are not
    /// compressed, since compression pays only for messages that many clients receive.
    pub fn slice(
        &mut self,
        room: RoomSlot,
        encoding: Encoding,
        slice: &HistorySlice,
        who: SpeakerId,
    ) -> (Bytes, usize) {
        if slice.messages.is_empty() {
            return (Bytes::new(), 0);
        }
        let (encoding, now) = (Encoding { window: None, ..encoding }, Instant::now());
        let known = self.rooms.get(&room).and_then(|cached| cached.segment(encoding));
        if let Some(known) = known.filter(|known| known.covers(slice)) {
            let part = known.part(slice, who);
            self.touch(room, now);
            return part;
        }
        let segment = Segment::build(known, encoding, slice);
        let part = segment.part(slice, who);
        self.keep(room, encoding, segment, now);
        part
    }

    /// Drops the histories that were last used [`Self::LIFETIME`] before `now`, or earlier.
    pub fn drop_unused(&mut self, now: Instant) {
        while let Some((used, room)) = self.order.first().copied()
            && now.saturating_duration_since(used) >= Self::LIFETIME
        {
            self.remove(room);
        }
        if self.rooms.is_empty() {
            self.rooms = HashMap::new(); // releases its memory
        }
    }

    /// Makes `room` the most recently used one.
    fn touch(&mut self, room: RoomSlot, now: Instant) {
        if let Some(cached) = self.rooms.get_mut(&room) {
            self.order.remove(&(cached.used, room));
            self.order.insert((now, room));
            cached.used = now;
        }
    }

    /// Keeps `segment` in place of an earlier one of this room and encoding. The least recently
    /// used rooms are dropped for it; a segment above the capacity by itself is not kept.
    fn keep(&mut self, room: RoomSlot, encoding: Encoding, segment: Segment, now: Instant) {
        if CachedRoom::OVERHEAD + segment.cost() > self.capacity {
            return;
        }
        let mut cached = self.remove(room).unwrap_or(CachedRoom { used: now, segments: Vec::new() });
        cached.used = now;
        cached.segments.retain(|(kept, other)| *kept != encoding && other.epoch == segment.epoch);
        cached.segments.push((encoding, segment));
        if cached.cost() > self.capacity {
            // Several encodings of one large history.
            cached.segments.drain(..cached.segments.len() - 1);
        }
        while self.held + cached.cost() > self.capacity
            && let Some((_, oldest)) = self.order.first().copied()
        {
            self.remove(oldest);
        }
        self.count(cached.cost() as i64);
        self.order.insert((now, room));
        self.rooms.insert(room, cached);
    }

    fn remove(&mut self, room: RoomSlot) -> Option<CachedRoom> {
        let cached = self.rooms.remove(&room)?;
        self.order.remove(&(cached.used, room));
        self.count(-(cached.cost() as i64));
        Some(cached)
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

impl CachedRoom {
    /// Bytes of the list entries around the segments.
    const OVERHEAD: usize = 256;

    fn segment(&self, encoding: Encoding) -> Option<&Segment> {
        self.segments.iter().find(|(kept, _)| *kept == encoding).map(|(_, segment)| segment)
    }

    fn cost(&self) -> usize {
        Self::OVERHEAD + self.segments.iter().map(|(_, segment)| segment.cost()).sum::<usize>()
    }
}

impl Segment {
    /// Returns `true` if the segment holds all requested messages.
    fn covers(&self, slice: &HistorySlice) -> bool {
        self.epoch == slice.until.epoch
            && self.range.start <= slice.from.offset
            && self.range.end >= slice.until.offset
    }

    /// Builds a segment of the requested messages, and of those of `known` beside them that the
    /// room still keeps; encodes only messages that `known` lacks.
    fn build(known: Option<&Self>, encoding: Encoding, slice: &HistorySlice) -> Self {
        let HistorySlice { messages, from, until, forgotten, .. } = slice;
        let adjoins = |known: &&Self| {
            known.epoch == until.epoch
                && (from.offset..=until.offset).contains(&known.range.end)
                && known.range.end > *forgotten
        };
        let mut all = Encoder::default();
        let mut start = from.offset;
        match known.filter(adjoins) {
            None => all.encode(messages, encoding),
            Some(known) => {
                let kept = known.range.start.max(*forgotten);
                let index_after =
                    |offset| messages.partition_point(|message| message.position.offset <= offset);
                all.encode(&messages[..index_after(kept)], encoding);
                all.copy(known, known.index(kept));
                all.encode(&messages[index_after(known.range.end)..], encoding);
                start = start.min(kept);
            }
        }
        Self { epoch: until.epoch, range: start..until.offset, bytes: all.joined(), ends: all.ends }
    }

    /// Returns the requested messages that are for `who`, and their number.
    fn part(
        &self,
        HistorySlice { messages, from, until, .. }: &HistorySlice,
        who: SpeakerId,
    ) -> (Bytes, usize) {
        let first = self.index(from.offset);
        if messages.iter().all(|message| message.is_for(who)) {
            return (
                self.slice(self.start_of(first)..self.start_of(self.index(until.offset))),
                messages.len(),
            );
        }
        let heard = messages.iter().enumerate().filter(|(_, message)| message.is_for(who));
        let messages = heard.map(|(at, _)| self.start_of(first + at)..self.start_of(first + at + 1));
        let pieces: Vec<_> = messages.map(|range| &self.bytes[range]).collect();
        (joined(&pieces, pieces.iter().map(|piece| piece.len()).sum()), pieces.len())
    }

    /// Returns a slice that shares the memory of the segment, unless it is less than half of it:
    /// waiting in an outbox, which counts only the slice, it would keep the segment alive.
    fn slice(&self, range: Range<usize>) -> Bytes {
        match range.len() < self.bytes.len() / 2 {
            true => Bytes::copy_from_slice(&self.bytes[range]),
            false => self.bytes.slice(range),
        }
    }

    /// Returns the number of messages in the segment up to `offset`, inclusive.
    fn index(&self, offset: Offset) -> usize {
        offset.since(self.range.start).expect("the offset is in the segment")
    }

    /// Returns the position of the first byte of the message at `index`.
    fn start_of(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn cost(&self) -> usize {
        self.bytes.len() + self.ends.capacity() * size_of::<usize>()
    }
}

/// A segment under construction. Its pieces are joined at the end, in exactly as much memory as
/// they need: a single buffer would grow by doubling, and keep unused memory.
#[derive(Default)]
struct Encoder {
    pieces: Vec<Bytes>,
    ends: Vec<usize>,
}

impl Encoder {
    fn encode(&mut self, messages: &[Arc<Message>], encoding: Encoding) {
        for message in messages {
            let piece = encoded(message, encoding);
            self.ends.push(self.length() + piece.len());
            self.pieces.push(piece);
        }
    }

    fn length(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Appends the messages of `known` from `index` on.
    fn copy(&mut self, known: &Segment, index: usize) {
        let (from, to) = (known.start_of(index), self.length());
        self.pieces.push(known.bytes.slice(from..));
        self.ends.extend(known.ends[index..].iter().map(|end| end - from + to));
    }

    fn joined(&self) -> Bytes {
        joined(&self.pieces, self.length())
    }
}

/// Joins `pieces`, of `length` bytes together.
fn joined<P: AsRef<[u8]>>(pieces: &[P], length: usize) -> Bytes {
    let mut joined = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| joined.extend_from_slice(piece.as_ref()));
    joined.freeze()
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
        protocol::Framing,
        testing::{HISTORY, slot, slots},
        wire::Payload,
    };
    use proptest::prelude::*;

    const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };
    const V1: Encoding = Encoding { protocol: Protocol::V1, window: None };
    const EVENTS: Encoding = Encoding { protocol: Protocol::Events(Framing::Chunked), window: None };

    fn cache(capacity: usize) -> HistoryCache {
        HistoryCache::new(capacity, Arc::default())
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
            let (first, messages) = cache.slice(slot(), encoding, &slice, who);
            assert_eq!((&first[..], messages), (&plainly(encoding, &slice, who)[..], 100));
            let since = history.slice(HistoryRequest { since: Some(slice.from), last: 0 });
            for again in [slice, since] {
                let (second, _) = cache.slice(slot(), encoding, &again, SpeakerId::next());
                assert_eq!(second.as_ptr(), first.as_ptr(), "{encoding:?}");
            }
            let (part, messages) = cache.slice(slot(), encoding, &last(&history, 80), who);
            assert!(first.as_ptr_range().contains(&part.as_ptr()) && messages == 80, "{encoding:?}");
        }
    }

    #[test]
    fn a_cache_stays_within_its_capacity_and_gives_back_what_is_not_used() {
        let metrics = Arc::new(Metrics::new());
        let mut cache = HistoryCache::new(10_000, metrics.clone());
        let mut history = history();
        for number in 0..200 {
            append(&mut history, &format!("{number:>1000}"), Audience::Everyone);
            let slice = last(&history, number);
            for encoding in [RAW, V1, EVENTS] {
                let (part, _) = cache.slice(slot(), encoding, &slice, SpeakerId::next());
                assert_eq!(&part[..], plainly(encoding, &slice, SpeakerId::next()));
                assert!(cache.held <= 10_000, "{}", cache.held);
            }
        }
        cache.slice(slot(), RAW, &last(&history, 5), SpeakerId::next());
        assert!(cache.held > 5_000);
        assert_eq!(metrics.history_cache_bytes.get(), cache.held as i64);
        cache.drop_unused(Instant::now());
        assert!(cache.held > 0, "it was just used");
        cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
        assert_eq!((cache.held, metrics.history_cache_bytes.get(), cache.order.len()), (0, 0, 0));
    }

    #[test]
    fn the_room_that_was_asked_for_longest_ago_makes_way() {
        let (mut cache, mut history, who) = (cache(5000), history(), SpeakerId::next());
        append(&mut history, &"x".repeat(1000), Audience::Everyone);
        let (slots, slice) = (slots(5), last(&history, 1));
        let kept = |cache: &HistoryCache| {
            slots.iter().map(|slot| cache.rooms.contains_key(slot)).collect::<Vec<_>>()
        };
        for slot in &slots[..3] {
            cache.slice(*slot, RAW, &slice, who);
        }
        cache.slice(slots[0], RAW, &slice, who);
        cache.slice(slots[3], RAW, &slice, who);
        assert_eq!(kept(&cache), [true, false, true, true, false]);
    }

    #[test]
    fn the_next_room_in_the_same_slot_has_a_history_of_its_own() {
        let (mut cache, who) = (cache(1 << 20), SpeakerId::next());
        for text in ["before", "after"] {
            let mut history = history();
            append(&mut history, text, Audience::Everyone);
            let slice = last(&history, 9);
            assert_eq!(cache.slice(slot(), RAW, &slice, who).0, plainly(RAW, &slice, who));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However newcomers and messages alternate, a newcomer receives what it would receive
        /// without a cache.
        #[test]
        fn a_cached_recall_is_the_recall(
            steps in prop::collection::vec((0..4_usize, 0..60_usize, 0..12_usize, any::<bool>()), 1..80),
            capacity in 0..3000_usize,
        ) {
            let limits = HistoryLimits { messages: 20, ..HISTORY };
            let (mut cache, mut history) = (cache(capacity), History::new(limits));
            let (anna, bert) = (SpeakerId::next(), SpeakerId::next());
            for (encoding, length, messages, is_said) in steps {
                let audience = [Audience::Everyone, Audience::Except(anna)][length % 2];
                if is_said {
                    (0..messages).for_each(|_| append(&mut history, &"x".repeat(length), audience));
                }
                let (encoding, slice) = ([RAW, V1, EVENTS, RAW][encoding], last(&history, length / 2));
                for who in [anna, bert] {
                    let (part, count) = cache.slice(slot(), encoding, &slice, who);
                    prop_assert_eq!(&part[..], &plainly(encoding, &slice, who)[..]);
                    prop_assert_eq!(count, slice.messages.iter().filter(|message| message.is_for(who)).count());
                }
                let held = cache.rooms.values().map(CachedRoom::cost).sum::<usize>();
                prop_assert!(cache.held == held && held <= capacity && cache.order.len() == cache.rooms.len());
            }
        }
    }
}
