//! Inflating a message (RFC 7692 §7.2.2), within a limit.

use super::WireError;
use flate2::{Decompress, FlushDecompress, Status};
use std::cell::RefCell;

/// The four bytes that the sender left away, and an empty last block: only a stream that is whole can
/// end with it.
const ENDING: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x03, 0x00];

/// Inflated bytes that are judged and kept at once.
const PIECE: usize = 16 << 10;

thread_local! {
    /// One for all sessions of a thread: no message refers to the one before it.
    static INFLATER: RefCell<Inflater> = RefCell::new(Inflater {
        stream: Decompress::new(false),
        piece: vec![0; PIECE].into(),
    });
}

struct Inflater {
    stream: Decompress,
    piece: Box<[u8]>,
}

/// Hands the message inside `deflated` to `keep`, piece by piece, and stops behind `limit` bytes.
///
/// # Errors
/// [`WireError::NotDeflate`], [`WireError::MessageTooBig`], and what `keep` says.
pub fn inflate(
    deflated: &[u8],
    limit: usize,
    mut keep: impl FnMut(&[u8]) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut room = limit;
    let mut keep_within = |plain: &[u8]| {
        room = room.checked_sub(plain.len()).ok_or(WireError::MessageTooBig)?;
        keep(plain)
    };
    INFLATER.with_borrow_mut(|inflater| {
        inflater.stream.reset(false);
        inflater.feed(deflated, &mut keep_within)?;
        match inflater.feed(&ENDING, &mut keep_within)? {
            Status::StreamEnd => Ok(()),
            Status::Ok | Status::BufError => Err(WireError::NotDeflate),
        }
    })
}

impl Inflater {
    /// Uses up `input`; says whether a stream ended with its last byte. One may end before that, and
    /// another begin (RFC 7692 §7.2.3.4). What is not out yet comes out with the next input.
    fn feed(
        &mut self,
        mut input: &[u8],
        keep: &mut impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<Status, WireError> {
        loop {
            let (status, length) = self.step(&mut input)?;
            keep(&self.piece[..length])?;
            if status == Status::StreamEnd {
                self.stream.reset(false);
            }
            if input.is_empty() {
                return Ok(status);
            }
        }
    }

    /// Inflates the next piece; returns its length.
    fn step(&mut self, input: &mut &[u8]) -> Result<(Status, usize), WireError> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self
            .stream
            .decompress(input, &mut self.piece, FlushDecompress::Sync)
            .map_err(|_| WireError::NotDeflate)?;
        *input = &input[(self.stream.total_in() - read) as usize..];
        Ok((status, (self.stream.total_out() - written) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;

    fn inflated(deflated: &str, limit: usize) -> Result<Vec<u8>, WireError> {
        let mut plain = Vec::new();
        inflate(&hex(deflated), limit, |piece| {
            plain.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(plain)
    }

    #[test]
    fn the_examples_of_rfc_7692_are_inflated() {
        let examples = [
            "f2 48 cd c9 c9 07 00",                   // §7.2.3.1: one block
            "00 05 00 fa ff 48 65 6c 6c 6f 00",       // §7.2.3.3: a block without compression
            "f3 48 cd c9 c9 07 00 00",                // §7.2.3.4: a last block within the message
            "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", // §7.2.3.5: two blocks
        ];
        for deflated in examples {
            assert_eq!(inflated(deflated, 5), Ok(b"Hello".to_vec()), "{deflated}");
        }
        assert_eq!(inflated("00", 0), Ok(vec![])); // §7.2.3.6
    }

    #[test]
    fn no_message_refers_to_the_one_before_it() {
        assert_eq!(inflated("f2 48 cd c9 c9 07 00", 5), Ok(b"Hello".to_vec()));
        assert_eq!(inflated("f2 00 11 00 00", 5), Err(WireError::NotDeflate)); // §7.2.3.2: "Hello" from the window
    }

    #[test]
    fn a_refused_message_leaves_nothing_behind() {
        assert_eq!(inflated("f2 48 07", 5), Err(WireError::NotDeflate));
        assert_eq!(inflated("f2 48 cd c9 c9 07 00", 5), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn a_message_is_inflated_up_to_the_limit_and_no_further() {
        assert_eq!(inflated("f2 48 cd c9 c9 07 00", 4), Err(WireError::MessageTooBig));
    }

    #[test]
    fn what_is_no_deflate_stream_is_refused() {
        let wrong = [
            "",                     // not even an empty block
            "07",                   // a block of the reserved type
            "00 05 00 00 00 48",    // a length that contradicts itself
            "f2 48 cd c9",          // breaks off within a block
            "00 20 00 df ff 48",    // breaks off within a block without compression
            "f3 48 cd c9 c9 07 00", // §7.2.3.4 without its last byte
            "62 00 00 04 00",       // refers to before the beginning
        ];
        for deflated in wrong {
            assert_eq!(inflated(deflated, 100), Err(WireError::NotDeflate), "{deflated}");
        }
    }
}
