//! What the kernel did not take yet, in order and bounded.

use super::Pool;
use crate::config::SessionSettings;
use bytes::{Buf, Bytes};
use std::{collections::VecDeque, io::IoSlice, sync::Arc};

/// How much may wait for one client.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    pub bytes: usize,
    pub messages: usize,
}

impl QueueLimits {
    pub fn of(settings: &SessionSettings) -> Self {
        Self { bytes: settings.outbox_bytes.bytes(), messages: settings.outbox_messages }
    }
}

/// Frames in order; costs no heap while it is empty.
pub struct Queue {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    messages: usize,
    pool: Arc<Pool>,
}

/// Whole frames, or what is left of them.
struct Chunk {
    bytes: Bytes,
    messages: usize,
    started: bool,
}

/// Chunks handed to the kernel at once; more would not fit its send buffer anyway.
const MAX_SLICES: usize = 16;

impl Queue {
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { chunks: VecDeque::new(), bytes: 0, messages: 0, pool }
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether `bytes` in `messages` frames still fit.
    pub fn has_room(&self, bytes: usize, messages: usize, limits: QueueLimits) -> bool {
        self.bytes + bytes <= limits.bytes
            && self.messages + messages <= limits.messages
            && self.pool.has_room(self.bytes, bytes)
    }

    /// Queues the frames in `bytes`, of which the first `written` bytes were already sent.
    pub fn push(&mut self, mut bytes: Bytes, messages: usize, written: usize) {
        bytes.advance(written);
        self.pool.add(bytes.len());
        self.bytes += bytes.len();
        self.messages += messages;
        self.chunks.push_back(Chunk { bytes, messages, started: written > 0 });
    }

    /// Calls `write` with the first chunks, and takes out what it says it wrote.
    pub fn write_with<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let chunks = self.chunks.len().min(MAX_SLICES);
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(&chunk.bytes);
        }
        let written = write(&slices[..chunks])?;
        self.advance(written);
        Ok(written)
    }

    /// Forgets everything but the chunk that is partly written, which must be completed before
    /// another frame may follow.
    pub fn forget_unstarted(&mut self) {
        self.chunks.retain(|chunk| chunk.started);
        self.chunks.shrink_to_fit();
        let left = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        self.pool.remove(self.bytes - left);
        self.bytes = left;
        self.messages = self.chunks.iter().map(|chunk| chunk.messages).sum();
    }

    /// Forgets everything and gives its memory back.
    pub fn clear(&mut self) {
        self.pool.remove(self.bytes);
        self.bytes = 0;
        self.messages = 0;
        self.chunks = VecDeque::new();
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        self.pool.remove(written);
        while let Some(first) = self.chunks.front_mut() {
            if written < first.bytes.len() {
                first.bytes.advance(written);
                first.started |= written > 0;
                return;
            }
            written -= first.bytes.len();
            self.messages -= first.messages;
            self.chunks.pop_front();
        }
        self.clear(); // gives the memory of the list back
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that takes at most `room` bytes at a time.
    fn take(queue: &mut Queue, room: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        let written = queue.write_with(|slices| {
            slices.iter().for_each(|slice| taken.extend_from_slice(slice));
            taken.truncate(room);
            Ok::<_, ()>(taken.len())
        });
        assert_eq!(written, Ok(taken.len()));
        taken
    }

    fn queue(texts: &[&'static str]) -> Queue {
        let mut queue = Queue::new(Pool::new(usize::MAX, Arc::default()));
        texts.iter().for_each(|text| queue.push(Bytes::from_static(text.as_bytes()), 1, 0));
        queue
    }

    #[test]
    fn what_the_kernel_took_leaves_in_order() {
        let mut queue = queue(&["hello", "wide", "world"]);
        assert_eq!(take(&mut queue, 7), b"hellowi");
        assert_eq!((queue.bytes, queue.messages), (7, 2));
        assert_eq!(take(&mut queue, 100), b"deworld");
        assert!(queue.is_empty());
        assert_eq!((queue.bytes, queue.messages, queue.chunks.capacity()), (0, 0, 0));
    }

    #[test]
    fn both_bounds_hold() {
        let limits = QueueLimits { bytes: 10, messages: 2 };
        assert!(queue(&["hello"]).has_room(5, 1, limits));
        assert!(!queue(&["hello"]).has_room(6, 1, limits));
        assert!(!queue(&["a", "b"]).has_room(1, 1, limits));
    }

    #[test]
    fn a_frame_that_has_begun_is_completed() {
        let mut queue = queue(&["hello", "world"]);
        take(&mut queue, 2);
        queue.forget_unstarted();
        assert_eq!((queue.bytes, queue.messages), (3, 1));
        assert_eq!(take(&mut queue, 100), b"llo");
    }
}
