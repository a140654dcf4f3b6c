//! The histories of rooms as joining clients receive them: encoded once for all of them.
//!
//! To encode a history of 256 messages takes half a millisecond, of the worst content 34 ms; to
//! slice it takes some microseconds. After an outage of the network, thousands of clients request
//! the same messages at the same time. A history is encoded in steps, and live messages are
//! delivered between them.

mod segment; // a run of encoded messages

use crate::{
    history::HistorySlice,
    ids::{RoomSlot, SpeakerId},
    limits::Backlog,
    metrics::Metrics,
    protocol::Encoding,
};
use bytes::Bytes;
use segment::Segment;
use std::{
    collections::{BTreeMap, HashMap},
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

#[cfg(test)]
mod tests;
