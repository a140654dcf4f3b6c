//! Making a message small (RFC 7692 §7.2.1), for a given window.

use flate2::{Compress, FlushCompress};
use std::cell::RefCell;

/// How outgoing messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// 1 (fast) to 9 (small); what is higher counts as 9.
    pub level: u32,
    /// Messages of fewer bytes go out plain.
    pub threshold: usize,
}

/// The LZ77 window that messages are compressed for: 2^9, 2^12 or 2^15 bytes (RFC 7692 §7.1.2.1). A message is compressed
/// once for each that its hearers have, so there are few. With 8 bits, which the RFC knows too, zlib cannot make what a
/// client could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowBits(u8);

impl WindowBits {
    /// What a client has that names no size.
    pub const MAX: Self = Self(15);

    /// How many sizes there are.
    pub(super) const COUNT: usize = 3;

    /// The largest for a client that can look back 2^`bits` bytes; `None` unless `bits` is 9 to 15.
    pub fn new(bits: u8) -> Option<Self> {
        matches!(bits, 9..=15).then_some(Self(bits / 3 * 3))
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    /// The place of this size among all of them, from 0.
    pub(super) fn index(self) -> usize {
        usize::from(self.0 / 3 - 3)
    }
}

/// What a flush leaves at the end, and the receiver adds again.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

thread_local! {
    /// One for all sessions of a thread that have the same window: no message refers to the one before it.
    static DEFLATERS: RefCell<[Option<Deflater>; WindowBits::COUNT]> = const { RefCell::new([const { None }; _]) };
}

struct Deflater {
    level: u32,
    stream: Compress,
}

/// The compressed form of `plain`; `None` when it would not be smaller.
pub fn deflate(plain: &[u8], window: WindowBits, level: u32) -> Option<Vec<u8>> {
    DEFLATERS.with_borrow_mut(|deflaters| {
        let slot = &mut deflaters[window.index()];
        let known = slot.take().filter(|deflater| deflater.level == level);
        let mut deflater = known.unwrap_or_else(|| Deflater::new(level, window));
        let deflated = deflater.deflate(plain)?;
        *slot = Some(deflater); // only now: zlib-rs panics on a stream that was reset before all of it was out
        (deflated.len() < plain.len()).then_some(deflated)
    })
}

impl Deflater {
    fn new(level: u32, window: WindowBits) -> Self {
        let compression = flate2::Compression::new(level.min(9));
        Self { level, stream: Compress::new_with_window_bits(compression, false, window.bits()) }
    }

    /// `None` when not all of it has come out.
    fn deflate(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut deflated = Vec::with_capacity(most(plain.len()));
        self.stream.reset();
        self.stream.compress_vec(plain, &mut deflated, FlushCompress::Sync).ok()?;
        if self.stream.total_in() < plain.len() as u64 || deflated.len() == deflated.capacity() {
            return None;
        }
        deflated.truncate(deflated.len() - FLUSHED.len());
        Some(deflated)
    }
}

/// Bytes that `length` bytes may become at most: level 1 spends 9 bits on a byte that it finds nowhere
/// else, and all spend a few on blocks.
fn most(length: usize) -> usize {
    length + length / 8 + length / 1024 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that nobody can compress (xorshift).
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &u32| {
            let state = state ^ (state << 13);
            let state = state ^ (state >> 17);
            Some(state ^ (state << 5))
        };
        std::iter::successors(Some(0x9e37_79b9), next).map(|state| state as u8).take(length).collect()
    }

    /// Whether noise that comes again after `distance` bytes is found: only a reference that far back can
    /// make it smaller.
    fn finds(distance: usize, window: WindowBits, level: u32) -> bool {
        deflate(&noise(distance).repeat(2), window, level).is_some()
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
        let deflated = || deflate(&b"say it again ".repeat(9), WindowBits::MAX, 6);
        assert!(deflated().is_some());
        assert_eq!(deflated(), deflated());
    }

    #[test]
    fn the_level_may_change() {
        let text: String = (0..2000).map(|number| (number * number).to_string()).collect();
        let length = |level| deflate(text.as_bytes(), WindowBits::MAX, level).unwrap().len();
        assert!(length(9) < length(1));
        assert_eq!(length(10), length(9));
    }

    #[test]
    fn what_does_not_become_smaller_stays_as_it_is() {
        for length in [0, 1, 5, 300, 20_000] {
            assert_eq!(deflate(&noise(length), WindowBits::MAX, 9), None);
        }
    }

    #[test]
    fn a_window_of_9_to_15_bits_is_rounded_down_to_one_of_three() {
        let windows: Vec<_> = (0..=u8::MAX).filter_map(WindowBits::new).collect();
        assert_eq!(windows.iter().map(|window| window.bits()).collect::<Vec<_>>(), [9, 9, 9, 12, 12, 12, 15]);
        assert!(windows.iter().all(|window| window.index() < WindowBits::COUNT));
    }
}
