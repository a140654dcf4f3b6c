//! Decompression of a message (RFC 7692 §7.2.2), within a limit.

use super::WireError;
use flate2::{Decompress, FlushDecompress, Status};

/// The four bytes that a sender removes from the end of a message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty final block: only a complete stream can end with it.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Bytes that are inflated at once.
const PIECE: usize = 16 << 10;

/// The memory in which messages are inflated. One is enough for all sessions of a thread, since no
/// message refers to an earlier one; it is empty before the first message.
#[derive(Debug, Default)]
pub struct Inflater(Option<Box<Stream>>);

#[derive(Debug)]
struct Stream {
    state: Decompress,
    piece: Box<[u8]>,
    /// True once a stream of the message has ended.
    has_ended: bool,
}

impl Inflater {
    /// Inflates the message in `deflated` and passes it to `keep` in pieces of at most 16 KiB,
    /// `limit` bytes in all, inclusive.
    ///
    /// Besides the form that RFC 7692 demands, forms are accepted that other servers accept too: no
    /// bytes at all, a stream that ends with its own final block, whatever bytes without content
    /// follow it, and a stream whose tail was not removed. The last byte of a stream without its
    /// tail is never 0xff, because it holds the header of an empty block.
    ///
    /// # Errors
    /// [`WireError::NotDeflate`] if the bytes are no DEFLATE stream, [`WireError::MessageTooBig`]
    /// if more than `limit` bytes come out, and any error of `keep`.
    pub fn inflate(
        &mut self,
        deflated: &[u8],
        limit: usize,
        mut keep: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let mut left = limit;
        let mut keep_within = |plain: &[u8]| {
            left = left.checked_sub(plain.len()).ok_or(WireError::MessageTooBig)?;
            keep(plain)
        };
        let stream = self.0.get_or_insert_with(Box::default);
        stream.restart();
        stream.has_ended = deflated.is_empty();
        let tail: &[u8] = if deflated.ends_with(&TAIL) { &[] } else { &TAIL };
        for part in [deflated, tail, &LAST_BLOCK] {
            match stream.feed(part, &mut keep_within) {
                Ok(Status::StreamEnd) => return Ok(()),
                Err(WireError::NotDeflate) => break,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        // After the end of a stream, bytes that bring no content are not part of the message.
        if stream.has_ended && stream.state.total_out() == 0 { Ok(()) } else { Err(WireError::NotDeflate) }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self { state: Decompress::new(false), piece: vec![0; PIECE].into(), has_ended: false }
    }
}

impl Stream {
    /// Consumes `input`; returns [`Status::StreamEnd`] if a stream ends with its last byte. A
    /// stream may end earlier, and another one begin (RFC 7692 §7.2.3.4). Output that is still
    /// pending comes out with the next input.
    fn feed(
        &mut self,
        mut input: &[u8],
        keep: &mut impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<Status, WireError> {
        loop {
            let (status, length) = self.step(&mut input)?;
            keep(&self.piece[..length])?;
            if status == Status::StreamEnd {
                self.restart();
                self.has_ended = true;
            }
            if input.is_empty() {
                return Ok(status);
            }
        }
    }

    fn restart(&mut self) {
        self.state.reset(false);
        self.has_ended = false;
    }

    /// Inflates the next piece; returns its length.
    fn step(&mut self, input: &mut &[u8]) -> Result<(Status, usize), WireError> {
        let (read, written) = (self.state.total_in(), self.state.total_out());
        let status = self
            .state
            .decompress(input, &mut self.piece, FlushDecompress::Sync)
            .map_err(|_| WireError::NotDeflate)?;
        *input = &input[(self.state.total_in() - read) as usize..];
        Ok((status, (self.state.total_out() - written) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::hex;

    fn inflated(deflated: &str, limit: usize) -> Result<Vec<u8>, WireError> {
        inflated_by(&mut Inflater::default(), deflated, limit)
    }

    fn inflated_by(inflater: &mut Inflater, deflated: &str, limit: usize) -> Result<Vec<u8>, WireError> {
        let mut plain = Vec::new();
        inflater.inflate(&hex(deflated), limit, |piece| {
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
            "f3 48 cd c9 c9 07 00 00",                // §7.2.3.4: a final block within the message
            "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", // §7.2.3.5: two blocks
        ];
        for deflated in examples {
            assert_eq!(inflated(deflated, 5), Ok(b"Hello".to_vec()), "{deflated}");
        }
        assert_eq!(inflated("00", 0), Ok(vec![])); // §7.2.3.6
    }

    #[test]
    fn forms_that_other_servers_accept_are_inflated() {
        for deflated in [
            "f3 48 cd c9 c9 07 00",             // a final block at the end
            "f2 48 cd c9 c9 07 00 00 00 ff ff", // the tail is still there
            "01 05 00 fa ff 48 65 6c 6c 6f",    // a final block without compression
            "f3 48 cd c9 c9 07 00 0d 0a",       // a final block, and a line feed
            "f3 48 cd c9 c9 07 00 00 00 ff ff", // a final block, and the tail
        ] {
            assert_eq!(inflated(deflated, 5), Ok(b"Hello".to_vec()), "{deflated}");
            assert_eq!(inflated(deflated, 4), Err(WireError::MessageTooBig), "{deflated}");
        }
        assert_eq!(inflated("", 0), Ok(vec![]));
        assert_eq!(inflated("00 00 00 ff ff", 0), Ok(vec![]));
        assert_eq!(inflated("03", 0), Ok(vec![]), "a final block that the tail completes");
    }

    #[test]
    fn no_message_refers_to_an_earlier_one() {
        let mut inflater = Inflater::default();
        assert_eq!(inflated_by(&mut inflater, "f2 48 cd c9 c9 07 00", 5), Ok(b"Hello".to_vec()));
        assert_eq!(inflated_by(&mut inflater, "f2 00 11 00 00", 5), Err(WireError::NotDeflate)); // §7.2.3.2: "Hello" from the window
    }

    #[test]
    fn a_refused_message_does_not_affect_the_next_one() {
        let mut inflater = Inflater::default();
        assert_eq!(inflated_by(&mut inflater, "f2 48 07", 5), Err(WireError::NotDeflate));
        assert_eq!(inflated_by(&mut inflater, "f2 48 cd c9 c9 07 00", 5), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn a_message_is_inflated_up_to_the_limit_and_no_further() {
        assert_eq!(inflated("f2 48 cd c9 c9 07 00", 4), Err(WireError::MessageTooBig));
    }

    #[test]
    fn bytes_that_are_no_deflate_stream_are_refused() {
        let wrong = [
            "07",                // a block of the reserved type
            "00 05 00 00 00 48", // a length that contradicts itself
            "f2 48 cd c9",       // ends within a block
            "00 20 00 df ff 48", // ends within a block without compression
            "ff ff",             // half of a tail
            "62 00 00 04 00",    // refers to before the beginning
        ];
        for deflated in wrong {
            assert_eq!(inflated(deflated, 100), Err(WireError::NotDeflate), "{deflated}");
        }
    }
}
