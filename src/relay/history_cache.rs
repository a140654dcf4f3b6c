//! The histories of rooms as newcomers receive them: encoded once, however many newcomers ask for them.
//!
//! A recall of 256 messages costs half a millisecond to encode and some microseconds to slice. After a network comes back,
//! thousands of clients ask for the same messages at the same time.

use crate::{
    hub::SessionId,
    metrics::Metrics,
    protocol::{Form, Protocol, events, v1},
    room::{Epoch, Offset, Recalled, RoomSlot, Said},
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
    /// Bytes that the segments may take together.
    capacity: usize,
    held: usize,
    rooms: HashMap<RoomSlot, CachedRoom>,
    /// The least recently used first.
    order: BTreeSet<(Instant, RoomSlot)>,
    metrics: Arc<Metrics>,
}

struct CachedRoom {
    used: Instant,
    /// One for each form that a newcomer asked for.
    segments: Vec<(Form, Segment)>,
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

    pub fn new(capacity: usize, metrics: Arc<Metrics>) -> Self {
        Self { capacity, held: 0, rooms: HashMap::new(), order: BTreeSet::new(), metrics }
    }

    /// The recalled messages that are for `who` in one piece, and their number. They are not compressed: compression is
    /// worth its time only for what many clients receive.
    pub fn recall(
        &mut self,
        room: RoomSlot,
        form: Form,
        recalled: &Recalled,
        who: SessionId,
    ) -> (Bytes, usize) {
        if recalled.said.is_empty() {
            return (Bytes::new(), 0);
        }
        let (form, now) = (Form { window: None, ..form }, Instant::now());
        let known = self.rooms.get(&room).and_then(|cached| cached.segment(form));
        if let Some(known) = known.filter(|known| known.covers(recalled)) {
            let part = known.part(recalled, who);
            self.touch(room, now);
            return part;
        }
        let segment = Segment::build(known, form, recalled);
        let part = segment.part(recalled, who);
        self.keep(room, form, segment, now);
        part
    }

    /// Drops the histories that were used last before `now` - [`Self::LIFETIME`].
    pub fn drop_unused(&mut self, now: Instant) {
        while let Some((used, room)) = self.order.first().copied()
            && now.saturating_duration_since(used) >= Self::LIFETIME
        {
            self.remove(room);
        }
        if self.rooms.is_empty() {
            self.rooms = HashMap::new(); // gives its memory back
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

    /// Keeps `segment` instead of what was kept of this room in this form. The least recently used rooms make way for
    /// it; a segment that exceeds the capacity by itself is not kept.
    fn keep(&mut self, room: RoomSlot, form: Form, segment: Segment, now: Instant) {
        if CachedRoom::OVERHEAD + segment.cost() > self.capacity {
            return;
        }
        let mut cached = self.remove(room).unwrap_or(CachedRoom { used: now, segments: Vec::new() });
        cached.used = now;
        cached.segments.retain(|(kept, other)| *kept != form && other.epoch == segment.epoch);
        cached.segments.push((form, segment));
        if cached.cost() > self.capacity {
            cached.segments.drain(..cached.segments.len() - 1); // several forms of one large history
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
        self.metrics.recall_cache_bytes.inc_by(bytes);
    }
}

impl Drop for HistoryCache {
    fn drop(&mut self) {
        self.metrics.recall_cache_bytes.dec_by(self.held as i64);
    }
}

impl CachedRoom {
    /// Bytes of the list entries around the segments.
    const OVERHEAD: usize = 256;

    fn segment(&self, form: Form) -> Option<&Segment> {
        self.segments.iter().find(|(kept, _)| *kept == form).map(|(_, segment)| segment)
    }

    fn cost(&self) -> usize {
        Self::OVERHEAD + self.segments.iter().map(|(_, segment)| segment.cost()).sum::<usize>()
    }
}

impl Segment {
    /// Whether it holds all recalled messages.
    fn covers(&self, recalled: &Recalled) -> bool {
        self.epoch == recalled.until.epoch
            && self.range.start <= recalled.from.offset
            && self.range.end >= recalled.until.offset
    }

    /// The recalled messages, and those of `known` beside them that the room still remembers; encodes only what `known`
    /// lacks.
    fn build(known: Option<&Self>, form: Form, recalled: &Recalled) -> Self {
        let Recalled { said, from, until, forgotten, .. } = recalled;
        let adjoins = |known: &&Self| {
            known.epoch == until.epoch
                && (from.offset..=until.offset).contains(&known.range.end)
                && known.range.end > *forgotten
        };
        let mut all = Encoder::default();
        let mut start = from.offset;
        match known.filter(adjoins) {
            None => all.encode(said, form),
            Some(known) => {
                let kept = known.range.start.max(*forgotten);
                let index_after = |offset| said.partition_point(|said| said.position.offset <= offset);
                all.encode(&said[..index_after(kept)], form);
                all.copy(known, known.index(kept));
                all.encode(&said[index_after(known.range.end)..], form);
                start = start.min(kept);
            }
        }
        Self { epoch: until.epoch, range: start..until.offset, bytes: all.joined(), ends: all.ends }
    }

    /// The recalled messages that are for `who`, and their number.
    fn part(&self, Recalled { said, from, until, .. }: &Recalled, who: SessionId) -> (Bytes, usize) {
        let first = self.index(from.offset);
        if said.iter().all(|said| said.is_for(who)) {
            return (self.slice(self.start_of(first)..self.start_of(self.index(until.offset))), said.len());
        }
        let heard = said.iter().enumerate().filter(|(_, said)| said.is_for(who));
        let messages = heard.map(|(at, _)| self.start_of(first + at)..self.start_of(first + at + 1));
        let pieces: Vec<_> = messages.map(|range| &self.bytes[range]).collect();
        (joined(&pieces, pieces.iter().map(|piece| piece.len()).sum()), pieces.len())
    }

    /// Shares the memory of the segment unless the slice is much smaller: while it waits in an outbox, which counts the
    /// slice alone, it would keep all of it.
    fn slice(&self, range: Range<usize>) -> Bytes {
        match range.len() < self.bytes.len() / 2 {
            true => Bytes::copy_from_slice(&self.bytes[range]),
            false => self.bytes.slice(range),
        }
    }

    /// The number of messages in it up to `offset`.
    fn index(&self, offset: Offset) -> usize {
        offset.since(self.range.start).expect("the offset is in the segment")
    }

    /// Where the message at `index` begins.
    fn start_of(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn cost(&self) -> usize {
        self.bytes.len() + self.ends.capacity() * size_of::<usize>()
    }
}

/// A segment that grows. Its pieces are joined at the end, in exactly as much memory as they need: one buffer for all of
/// them would grow by doubling, and keep what it does not need.
#[derive(Default)]
struct Encoder {
    pieces: Vec<Bytes>,
    ends: Vec<usize>,
}

impl Encoder {
    fn encode(&mut self, said: &[Arc<Said>], form: Form) {
        for said in said {
            let piece = encoded(said, form);
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

/// `pieces`, which have `length` bytes together, in one.
fn joined<P: AsRef<[u8]>>(pieces: &[P], length: usize) -> Bytes {
    let mut joined = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| joined.extend_from_slice(piece.as_ref()));
    joined.freeze()
}

fn encoded(said: &Said, form: Form) -> Bytes {
    match form.protocol {
        Protocol::Bare => wire::plain(&said.payload),
        Protocol::V1 => wire::plain(&v1::message(said)),
        Protocol::Events(framing) => events::message(said).framed(framing).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        protocol::Framing,
        relay::tests::{slot, slots},
        room::{Audience, History, HistoryLimits, Recall, Utterance},
        wire::Payload,
    };
    use proptest::prelude::*;

    const BARE: Form = Form { protocol: Protocol::Bare, window: None };
    const V1: Form = Form { protocol: Protocol::V1, window: None };
    const EVENTS: Form = Form { protocol: Protocol::Events(Framing::Chunked), window: None };

    fn cache(capacity: usize) -> HistoryCache {
        HistoryCache::new(capacity, Arc::default())
    }

    fn history() -> History {
        History::new(HistoryLimits::of(&Settings::default().history))
    }

    fn append(history: &mut History, text: &str, audience: Audience) {
        let utterance = Utterance { payload: Payload::Text(text.into()), who: None, audience };
        history.add(utterance, Instant::now());
    }

    fn last(history: &History, last: usize) -> Recalled {
        history.recall(Recall { since: None, last })
    }

    /// The same without a cache.
    fn plainly(form: Form, recalled: &Recalled, who: SessionId) -> Vec<u8> {
        let said = recalled.said.iter().filter(|said| said.is_for(who));
        said.flat_map(|said| encoded(said, form)).collect()
    }

    #[test]
    fn a_history_is_encoded_once_for_all_newcomers_in_every_form() {
        let (mut cache, mut history, who) = (cache(1 << 20), history(), SessionId::next());
        (0..100).for_each(|number| append(&mut history, &format!("{number}"), Audience::Everyone));
        for form in [BARE, V1, EVENTS] {
            let recalled = last(&history, 100);
            let (first, messages) = cache.recall(slot(), form, &recalled, who);
            assert_eq!((&first[..], messages), (&plainly(form, &recalled, who)[..], 100));
            let since = history.recall(Recall { since: Some(recalled.from), last: 0 });
            for again in [recalled, since] {
                let (second, _) = cache.recall(slot(), form, &again, SessionId::next());
                assert_eq!(second.as_ptr(), first.as_ptr(), "{form:?}");
            }
            let (part, messages) = cache.recall(slot(), form, &last(&history, 80), who);
            assert!(first.as_ptr_range().contains(&part.as_ptr()) && messages == 80, "{form:?}");
        }
    }

    #[test]
    fn a_cache_stays_within_its_capacity_and_gives_back_what_is_not_used() {
        let metrics = Arc::new(Metrics::new());
        let mut cache = HistoryCache::new(10_000, metrics.clone());
        let mut history = history();
        for number in 0..200 {
            append(&mut history, &format!("{number:>1000}"), Audience::Everyone);
            let recalled = last(&history, number);
            for form in [BARE, V1, EVENTS] {
                let (part, _) = cache.recall(slot(), form, &recalled, SessionId::next());
                assert_eq!(&part[..], plainly(form, &recalled, SessionId::next()));
                assert!(cache.held <= 10_000, "{}", cache.held);
            }
        }
        cache.recall(slot(), BARE, &last(&history, 5), SessionId::next());
        assert!(cache.held > 5_000);
        assert_eq!(metrics.recall_cache_bytes.get(), cache.held as i64);
        cache.drop_unused(Instant::now());
        assert!(cache.held > 0, "it was just used");
        cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
        assert_eq!((cache.held, metrics.recall_cache_bytes.get(), cache.order.len()), (0, 0, 0));
    }

    #[test]
    fn the_room_that_was_asked_for_longest_ago_makes_way() {
        let (mut cache, mut history, who) = (cache(5000), history(), SessionId::next());
        append(&mut history, &"x".repeat(1000), Audience::Everyone);
        let (slots, recalled) = (slots(5), last(&history, 1));
        let kept = |cache: &HistoryCache| {
            slots.iter().map(|slot| cache.rooms.contains_key(slot)).collect::<Vec<_>>()
        };
        for slot in &slots[..3] {
            cache.recall(*slot, BARE, &recalled, who);
        }
        cache.recall(slots[0], BARE, &recalled, who);
        cache.recall(slots[3], BARE, &recalled, who);
        assert_eq!(kept(&cache), [true, false, true, true, false]);
    }

    #[test]
    fn the_next_room_in_the_same_slot_has_a_history_of_its_own() {
        let (mut cache, who) = (cache(1 << 20), SessionId::next());
        for text in ["before", "after"] {
            let mut history = history();
            append(&mut history, text, Audience::Everyone);
            let recalled = last(&history, 9);
            assert_eq!(cache.recall(slot(), BARE, &recalled, who).0, plainly(BARE, &recalled, who));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However newcomers and messages alternate, a newcomer receives what it would receive without a cache.
        #[test]
        fn a_cached_recall_is_the_recall(
            steps in prop::collection::vec((0..4_usize, 0..60_usize, 0..12_usize, any::<bool>()), 1..80),
            capacity in 0..3000_usize,
        ) {
            let limits = HistoryLimits { messages: 20, ..HistoryLimits::of(&Settings::default().history) };
            let (mut cache, mut history) = (cache(capacity), History::new(limits));
            let (anna, bert) = (SessionId::next(), SessionId::next());
            for (form, length, messages, is_said) in steps {
                let audience = [Audience::Everyone, Audience::EveryoneBut(anna)][length % 2];
                if is_said {
                    (0..messages).for_each(|_| append(&mut history, &"x".repeat(length), audience));
                }
                let (form, recalled) = ([BARE, V1, EVENTS, BARE][form], last(&history, length / 2));
                for who in [anna, bert] {
                    let (part, count) = cache.recall(slot(), form, &recalled, who);
                    prop_assert_eq!(&part[..], &plainly(form, &recalled, who)[..]);
                    prop_assert_eq!(count, recalled.said.iter().filter(|said| said.is_for(who)).count());
                }
                let held = cache.rooms.values().map(CachedRoom::cost).sum::<usize>();
                prop_assert!(cache.held == held && held <= capacity && cache.order.len() == cache.rooms.len());
            }
        }
    }
}
