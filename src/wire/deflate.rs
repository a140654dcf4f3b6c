//! Compression of a message (RFC 7692 §7.2.1), for a given window.

use flate2::{Compress, FlushCompress};
use std::cell::RefCell;

/// The settings for compressing outgoing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The level of zlib, 1 (fast) to 9 (small); a higher value counts as 9.
    pub level: u32,
    /// The smallest message that is compressed, in bytes; a smaller one is sent plain.
    pub threshold: usize,
}

/// The memory in which messages are compressed. One is enough for all sessions of a thread, since
/// no message refers to an earlier one.
#[derive(Debug)]
pub struct Deflater {
    compression: Compression,
    /// A stream for each window; empty before the first message.
    streams: RefCell<[Option<Compress>; WindowBits::COUNT]>,
}

/// The size of the LZ77 window in which a client resolves references: 2^9, 2^12 or 2^15 bytes
/// (RFC 7692 §7.1.2.1). A message is compressed once for each size that its subscribers have, so
/// there are few. The RFC also allows 8 bits, for which zlib cannot produce a raw stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// The window of a client that names no size.
    pub const MAX: Self = Self(15);

    /// The number of sizes.
    pub(super) const COUNT: usize = 3;

    /// Returns the largest window of at most 2^`bits` bytes; `None` unless `bits` is 9 to 15,
    /// inclusive: the server may choose a smaller window than the client asked for.
    pub fn new(bits: u8) -> Option<Self> {
        matches!(bits, 9..=15).then_some(Self(bits / 3 * 3))
    }

    /// Returns the size in bits, 9 to 15.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Returns the index of this size among all sizes, from 0.
    pub(super) fn index(self) -> usize {
        usize::from(self.0 / 3 - 3)
    }
}

/// The end of a flushed stream, which the sender removes and the receiver appends again (RFC 7692
/// §7.2.1).
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

impl Deflater {
    /// A deflater with these settings.
    pub fn new(compression: Compression) -> Self {
        Self { compression, streams: RefCell::default() }
    }

    /// Returns `true` unless `plain` is below the threshold.
    pub(super) fn is_for(&self, plain: &[u8]) -> bool {
        plain.len() >= self.compression.threshold
    }

    /// Compresses `plain` for clients with this `window`; returns `None` if the result would not be
    /// smaller.
    pub(super) fn deflate(&self, plain: &[u8], window: WindowBits) -> Option<Vec<u8>> {
        let slot = &mut self.streams.borrow_mut()[window.index()];
        let level = flate2::Compression::new(self.compression.level.min(9));
        let new = || Compress::new_with_window_bits(level, false, window.bits());
        let mut stream = slot.take().unwrap_or_else(new);
        let deflated = deflate(plain, &mut stream)?;
        *slot = Some(stream); // only now: zlib-rs panics on a stream that was reset before all of it was out
        (deflated.len() < plain.len()).then_some(deflated)
    }
}

/// Compresses `plain`; returns `None` if the output does not fit the reserved capacity.
fn deflate(plain: &[u8], stream: &mut Compress) -> Option<Vec<u8>> {
    let mut deflated = Vec::with_capacity(max_deflated(plain.len()));
    stream.reset();
    stream.compress_vec(plain, &mut deflated, FlushCompress::Sync).ok()?;
    if stream.total_in() < plain.len() as u64 || deflated.len() == deflated.capacity() {
        return None;
    }
    deflated.truncate(deflated.len() - FLUSHED.len());
    Some(deflated)
}

/// Returns an upper bound of the bytes that `length` bytes become: level 1 spends 9 bits on a byte
/// that it finds nowhere else, and every level spends a few bytes on each block.
fn max_deflated(length: usize) -> usize {
    length + length / 8 + length / 1024 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflater(level: u32) -> Deflater {
        Deflater::new(Compression { level, threshold: 0 })
    }

    /// Returns random bytes (xorshift), which cannot be compressed.
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &u32| {
            let state = state ^ (state << 13);
            let state = state ^ (state >> 17);
            Some(state ^ (state << 5))
        };
        std::iter::successors(Some(0x9e37_79b9), next).map(|state| state as u8).take(length).collect()
    }

    /// Returns true if noise that repeats after `distance` bytes is compressed, which takes a
    /// reference that far back.
    fn finds(distance: usize, window: WindowBits, level: u32) -> bool {
        deflater(level).deflate(&noise(distance).repeat(2), window).is_some()
    }

    #[test]
    fn no_message_refers_further_back_than_its_window() {
        for (bits, level) in [9, 12, 15].into_iter().flat_map(|bits| [1, 2, 4, 9].map(|level| (bits, level)))
        {
            let (window, size) = (WindowBits::new(bits).unwrap(), 1 << bits);
            assert!(finds(size - 300, window, level), "{bits} bits, level {level}");
            for distance in [size + 1, size + 300, 2 * size] {
                assert!(!finds(distance, window, level), "{bits} bits, level {level}, {distance} bytes back");
            }
        }
    }

    #[test]
    fn messages_do_not_refer_to_each_other() {
        let deflater = deflater(6);
        let deflated = || deflater.deflate(&b"say it again ".repeat(9), WindowBits::MAX);
        assert!(deflated().is_some());
        assert_eq!(deflated(), deflated());
    }

    #[test]
    fn a_higher_level_makes_smaller_messages() {
        let text: String = (0..2000).map(|number| (number * number).to_string()).collect();
        let deflated = |level| deflater(level).deflate(text.as_bytes(), WindowBits::MAX);
        let length = |level| deflated(level).unwrap().len();
        assert!(length(9) < length(1));
        assert_eq!(length(10), length(9));
    }

    #[test]
    fn a_message_that_would_not_become_smaller_is_not_compressed() {
        let deflater = deflater(9);
        for length in [0, 1, 5, 300, 20_000] {
            assert_eq!(deflater.deflate(&noise(length), WindowBits::MAX), None);
        }
    }

    #[test]
    fn a_window_of_9_to_15_bits_is_rounded_down_to_one_of_three() {
        let windows: Vec<_> = (0..=u8::MAX).filter_map(WindowBits::new).collect();
        assert_eq!(windows.iter().map(|window| window.bits()).collect::<Vec<_>>(), [9, 9, 9, 12, 12, 12, 15]);
        assert!(windows.iter().all(|window| window.index() < WindowBits::COUNT));
    }
}
