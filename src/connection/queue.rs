//! The outbox: a bounded queue of the bytes that the kernel did not accept yet.

use crate::limits::Backlog;
use bytes::{Buf, Bytes};
use std::{collections::VecDeque, io::IoSlice, sync::Arc};

/// A queue of frames; without heap memory while it is empty.
pub struct Queue {
    chunks: VecDeque<Chunk>,
    /// Bytes that count against the limits of this client, history excluded.
    bytes: usize,
    /// Messages that count against them.
    messages: usize,
    /// Bytes of history; outboxes share their memory, which counts in the backlog by itself.
    recalled: usize,
    backlog: Arc<Backlog>,
}

/// Complete frames, or the rest of them.
struct Chunk {
    bytes: Bytes,
    /// Bytes of memory that `bytes` keeps alive, written ones included; less than 4/3 of its
    /// length, unless others share them.
    kept: usize,
    queued_as: QueuedAs,
    /// A part of it is written.
    started: bool,
}

/// Memory of a chunk beside its payload, in bytes: the list of chunks grows by doubling.
const CHUNK_COST: usize = 2 * size_of::<Chunk>();

/// The account to which a chunk is charged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueuedAs {
    /// The client's, as so many messages; 0 for a close frame.
    Live { messages: usize },
    /// That of the history; its own bounds hold.
    History,
    /// None: it has no bytes, and stands for a history that is not encoded yet. Later frames wait
    /// behind it.
    AwaitedHistory,
}

/// The most chunks of one write; more would exceed the send buffer of the kernel anyway.
const MAX_SLICES: usize = 16;

impl Queue {
    /// Creates an empty queue whose bytes count in `backlog`.
    pub fn new(backlog: Arc<Backlog>) -> Self {
        backlog.add_outbox();
        Self { chunks: VecDeque::new(), bytes: 0, messages: 0, recalled: 0, backlog }
    }

    /// Returns `true` if no frame waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns `true` if `bytes` in `messages` frames fit; both bounds are inclusive. An empty
    /// queue accepts a whole turn, even beyond its limits: JSON encoding may enlarge it several
    /// times.
    pub fn fits(&self, bytes: usize, messages: usize) -> bool {
        let each = self.backlog.each;
        let within = self.bytes + bytes <= each.bytes && self.messages + messages <= each.messages;
        (within || self.messages == 0) && self.backlog.fits(self.held(), bytes)
    }

    /// Returns `true` if `bytes` of history fit into the backlog of all outboxes.
    pub fn history_fits(&self, bytes: usize) -> bool {
        self.backlog.fits(self.held(), bytes)
    }

    /// Returns the bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes + self.recalled
    }

    /// Returns the bytes of memory that the queue uses, shared ones included.
    fn held(&self) -> usize {
        self.charged() + self.recalled
    }

    /// Returns the bytes that the queue has added to the backlog.
    fn charged(&self) -> usize {
        self.bytes + self.chunks.len() * CHUNK_COST
    }

    /// Returns `true` if the next frames are not encoded yet.
    pub fn is_blocked(&self) -> bool {
        self.chunks.front().is_some_and(Chunk::is_awaited)
    }

    /// Returns `true` if a place is kept for a history.
    pub fn awaits_history(&self) -> bool {
        self.chunks.iter().any(Chunk::is_awaited)
    }

    /// Queues `bytes`, of which the first `written` are already sent.
    pub fn push(&mut self, bytes: Bytes, queued_as: QueuedAs, written: usize) {
        let mut chunk = Chunk { kept: bytes.len(), bytes, queued_as, started: written > 0 };
        chunk.advance(written);
        self.charge(&chunk);
        self.chunks.push_back(chunk);
    }

    /// Keeps a place in the queue for a history, behind everything that is queued.
    pub fn await_history(&mut self) {
        self.push(Bytes::new(), QueuedAs::AwaitedHistory, 0);
    }

    /// Puts `first` and the `history` in the place that was kept for them; returns `false` if there
    /// is none any more.
    pub fn insert_history(&mut self, first: Option<Bytes>, history: Vec<Bytes>) -> bool {
        let Some(place) = self.chunks.iter().position(Chunk::is_awaited) else { return false };
        let mut later = self.chunks.split_off(place);
        later.pop_front();
        self.backlog.remove(CHUNK_COST);
        let live = QueuedAs::Live { messages: 0 };
        first.into_iter().for_each(|frame| self.push(frame, live, 0));
        history.into_iter().for_each(|part| self.push(part, QueuedAs::History, 0));
        self.chunks.append(&mut later);
        true
    }

    /// Calls `write` with the first chunks, and removes as many bytes as it returns.
    pub fn write_with<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let (mut slices, mut chunks) = ([IoSlice::new(&[]); MAX_SLICES], 0);
        let unblocked = self.chunks.iter().take_while(|chunk| !chunk.is_awaited());
        for (slice, chunk) in slices.iter_mut().zip(unblocked) {
            *slice = IoSlice::new(&chunk.bytes);
            chunks += 1;
        }
        if chunks == 0 {
            return Ok(0);
        }
        let written = write(&slices[..chunks])?;
        self.advance(written);
        Ok(written)
    }

    /// Drops all frames but a partly written one, which must be completed before another frame may
    /// follow.
    pub fn drop_unsent(&mut self) {
        let (started, unstarted): (VecDeque<_>, _) = self.chunks.drain(..).partition(|chunk| chunk.started);
        self.chunks = started;
        unstarted.iter().for_each(|chunk| self.release(chunk.queued_as, chunk.bytes.len(), true));
    }

    /// Drops everything and releases its memory.
    pub fn clear(&mut self) {
        self.backlog.remove(self.charged());
        (self.bytes, self.messages, self.recalled) = (0, 0, 0);
        self.chunks = VecDeque::new();
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.chunks.front_mut() {
            let (queued_as, length) = (first.queued_as, first.bytes.len());
            if written < length || first.is_awaited() {
                first.advance(written);
                first.started |= written > 0;
                self.release(queued_as, written, false);
                return;
            }
            written -= length;
            self.chunks.pop_front();
            self.release(queued_as, length, true);
        }
        self.clear(); // releases the memory of the list
    }

    fn charge(&mut self, Chunk { bytes, queued_as, .. }: &Chunk) {
        let mut charged = CHUNK_COST;
        match queued_as {
            QueuedAs::Live { messages } => {
                charged += bytes.len();
                self.bytes += bytes.len();
                self.messages += messages;
            }
            QueuedAs::History => self.recalled += bytes.len(),
            QueuedAs::AwaitedHistory => {}
        }
        self.backlog.add(charged);
    }

    /// Uncharges `bytes` of a chunk, and its messages too if it `is_over`.
    fn release(&mut self, queued_as: QueuedAs, bytes: usize, is_over: bool) {
        let mut charged = if is_over { CHUNK_COST } else { 0 };
        match queued_as {
            QueuedAs::Live { messages } => {
                charged += bytes;
                self.bytes -= bytes;
                self.messages -= if is_over { messages } else { 0 };
            }
            QueuedAs::History => self.recalled -= bytes,
            QueuedAs::AwaitedHistory => {}
        }
        self.backlog.remove(charged);
    }
}

impl Chunk {
    /// Returns `true` if it stands for a history that is not encoded yet.
    fn is_awaited(&self) -> bool {
        self.queued_as == QueuedAs::AwaitedHistory
    }

    /// Removes the first bytes, which were written. A small rest is copied: it would keep the
    /// memory of all written bytes alive, and no limit counts that. The memory of a history is
    /// shared, and counts until its last byte is sent.
    fn advance(&mut self, written: usize) {
        self.bytes.advance(written);
        if self.queued_as != QueuedAs::History && self.bytes.len() * 4 <= self.kept * 3 {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
            self.kept = self.bytes.len();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
        self.backlog.remove_outbox();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::QueueLimits;

    /// The bytes of all outboxes together.
    const MAX_BYTES: usize = 1 << 30;

    /// A kernel that accepts at most `capacity` bytes at a time.
    fn take(queue: &mut Queue, capacity: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        let written = queue.write_with(|slices| {
            slices.iter().for_each(|slice| taken.extend_from_slice(slice));
            taken.truncate(capacity);
            Ok::<_, ()>(taken.len())
        });
        assert_eq!(written, Ok(taken.len()));
        taken
    }

    fn queue(texts: &[&'static str]) -> Queue {
        bounded(texts, QueueLimits { bytes: usize::MAX, messages: usize::MAX })
    }

    fn bounded(texts: &[&'static str], each: QueueLimits) -> Queue {
        let backlog = Backlog::new(each, MAX_BYTES);
        let mut queue = Queue::new(Arc::new(backlog));
        let live = QueuedAs::Live { messages: 1 };
        texts.iter().for_each(|text| queue.push(Bytes::from_static(text.as_bytes()), live, 0));
        queue
    }

    #[test]
    fn bytes_that_the_kernel_accepts_leave_in_order() {
        let mut queue = queue(&["hello", "wide", "world"]);
        assert_eq!(take(&mut queue, 7), b"hellowi");
        assert_eq!((queue.bytes, queue.messages), (7, 2));
        assert_eq!(take(&mut queue, 100), b"deworld");
        assert!(queue.is_empty());
        assert_eq!((queue.bytes, queue.messages, queue.chunks.capacity()), (0, 0, 0));
    }

    #[test]
    fn a_small_rest_keeps_no_large_frame_in_memory() {
        let frame = Bytes::from(vec![7; 1000]);
        let memory = frame.as_ptr_range();
        let mut queue = queue(&[]);
        queue.push(frame.clone(), QueuedAs::Live { messages: 1 }, 200);
        assert!(memory.contains(&queue.chunks[0].bytes.as_ptr()), "a large rest is not copied");
        take(&mut queue, 50);
        assert!(!memory.contains(&queue.chunks[0].bytes.as_ptr()));
        assert_eq!(take(&mut queue, 750), [7; 750]);
    }

    #[test]
    fn the_list_of_chunks_is_counted() {
        let mut queue = queue(&["a", "b"]);
        assert_eq!(queue.held(), 2 + 2 * CHUNK_COST);
        assert_eq!(take(&mut queue, 1), b"a");
        assert_eq!(queue.held(), 1 + CHUNK_COST);
        queue.clear();
        assert!(queue.backlog.fits(0, MAX_BYTES), "all is given back");
    }

    #[test]
    fn both_bounds_hold() {
        let holding = |texts| bounded(texts, QueueLimits { bytes: 10, messages: 2 });
        assert!(holding(&["hello"]).fits(5, 1));
        assert!(!holding(&["hello"]).fits(6, 1));
        assert!(!holding(&["a", "b"]).fits(1, 1));
    }

    #[test]
    fn a_history_takes_no_space_from_live_messages() {
        let mut queue = bounded(&[], QueueLimits { bytes: 10, messages: 1 });
        queue.push(Bytes::from_static(b"long ago, and much"), QueuedAs::History, 3);
        assert!(queue.fits(10, 1));
        queue.push(Bytes::from_static(b"now"), QueuedAs::Live { messages: 1 }, 0);
        assert!(!queue.fits(1, 1));
        assert_eq!(queue.held(), 18 + 2 * CHUNK_COST);
        assert_eq!(queue.backlog.held(), 3 + 2 * CHUNK_COST, "the memory of a history counts by itself");
        assert_eq!(take(&mut queue, 16), b"g ago, and muchn");
        assert_eq!((queue.bytes, queue.messages, queue.recalled), (2, 1, 0));
    }

    #[test]
    fn frames_wait_behind_a_history_that_is_not_encoded_yet() {
        let mut queue = queue(&["a"]);
        queue.await_history();
        queue.push(Bytes::from_static(b"later"), QueuedAs::Live { messages: 1 }, 0);
        assert_eq!(take(&mut queue, 100), b"a", "frames before it do not wait");
        assert!(queue.is_blocked());
        let written = queue.write_with(|_| Err("nothing can be written"));
        assert_eq!(written, Ok(0));
        let history = [b"x", b"y"].map(|part| Bytes::from_static(part)).to_vec();
        assert!(queue.insert_history(Some(Bytes::from_static(b"welcome")), history.clone()));
        assert!(!queue.insert_history(None, history), "a place is filled once");
        assert_eq!((queue.messages, queue.recalled), (1, 2));
        assert_eq!(take(&mut queue, 100), b"welcomexylater");
        assert_eq!((queue.backlog.held(), queue.chunks.capacity()), (0, 0));
    }

    #[test]
    fn the_place_of_a_history_goes_with_the_frames_that_are_not_sent() {
        let mut queue = queue(&[]);
        queue.await_history();
        queue.drop_unsent();
        assert!(queue.is_empty() && !queue.insert_history(None, vec![]));
        assert_eq!(queue.backlog.held(), 0);
    }

    #[test]
    fn a_frame_that_has_begun_is_completed() {
        let mut queue = queue(&["hello", "world"]);
        take(&mut queue, 2);
        queue.drop_unsent();
        assert_eq!((queue.bytes, queue.messages), (3, 1));
        assert_eq!(take(&mut queue, 100), b"llo");
    }
}
