//! Bytes in, whole messages out, whatever the cuts between the bytes.

use super::{
    Message, WireError, close,
    header::{Kind, MAX_HEADER, Opcode, read_length},
    mask::Mask,
    message::PartialMessage,
};
use std::mem;

/// Fragments that every message may have.
const MIN_FRAGMENTS: usize = 1024;

/// Where [`Decoder::new`] allows larger messages, one fragment for this many bytes.
const BYTES_PER_FRAGMENT: usize = 64;

/// Reads what one client sends. Small and without heap memory while nothing is half read.
#[derive(Debug)]
pub struct Decoder {
    max_message: usize,
    compression: bool,
    header: PartialHeader,
    frame: Option<Frame>,
    message: Option<Box<PartialMessage>>,
    control: Vec<u8>,
}

/// The first bytes of a header whose last have not come.
#[derive(Clone, Copy, Debug, Default)]
struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    length: u8,
}

/// A frame whose payload is being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    mask: Mask,
    missing: usize,
}

impl Decoder {
    /// Accepts messages of at most `max_message` bytes, on the wire as well as inflated, in at most 1024
    /// fragments or one for every 64 bytes of `max_message`, whichever is more; `compression` says
    /// whether permessage-deflate was agreed on.
    pub fn new(max_message: usize, compression: bool) -> Self {
        let header = PartialHeader::default();
        Self { max_message, compression, header, frame: None, message: None, control: Vec::new() }
    }

    /// Takes from the front of `input` up to the end of the next message; `None` when `input` is used up
    /// before that.
    ///
    /// # Errors
    /// The rule that the peer broke, as soon as it is certain. Nothing can be decoded after that.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        while !input.is_empty() {
            let read = match self.frame {
                Some(frame) => self.read_payload(frame, input),
                None => self.read_frame(input),
            };
            if !matches!(read, Ok(None)) {
                return read;
            }
        }
        Ok(None)
    }

    /// Bytes of heap memory held for what is half read: at most `max_message`, the 125 bytes of a control
    /// frame that came in between, and some 80 bytes of bookkeeping.
    pub fn held_bytes(&self) -> usize {
        let message = self.message.as_ref();
        let message = message.map_or(0, |message| message.capacity() + size_of::<PartialMessage>());
        message + self.control.capacity()
    }

    fn read_frame(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        match self.read_header(input)? {
            Some(frame) => self.read_payload(frame, input),
            None => Ok(None),
        }
    }

    /// A header that comes at once is judged where it lies.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, WireError> {
        let joined = (self.header.length > 0).then(|| self.header.followed_by(input));
        let bytes = joined.as_ref().map_or(*input, PartialHeader::bytes);
        let Some((frame, size)) = self.judge_header(bytes)? else {
            self.header = PartialHeader::default().followed_by(bytes);
            *input = &[];
            return Ok(None);
        };
        *input = &input[size - usize::from(self.header.length)..];
        self.header.length = 0;
        Ok(Some(frame))
    }

    /// Judges as much of a header as there is; when it is whole, what it says and its size.
    fn judge_header(&self, bytes: &[u8]) -> Result<Option<(Frame, usize)>, WireError> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let kind = Kind::read(*first)?;
        self.judge_kind(kind)?;
        let Some((length, size)) = read_length(rest, kind.opcode)? else { return Ok(None) };
        let missing = self.judge_length(kind, length)?;
        let Some(mask) = rest[size..].first_chunk() else { return Ok(None) };
        let frame = Frame { kind, mask: Mask::new(*mask), missing };
        Ok(Some((frame, 1 + size + mask.len())))
    }

    /// Whether a frame of this kind may come now (RFC 6455 §5.4).
    fn judge_kind(&self, kind: Kind) -> Result<(), WireError> {
        if kind.rsv1 && !self.compression {
            return Err(WireError::ReservedBit);
        }
        match (&self.message, kind.opcode) {
            (_, opcode) if opcode.is_control() => Ok(()),
            (None, Opcode::Continuation) => Err(WireError::NothingToContinue),
            (None, _) => Ok(()),
            (Some(message), Opcode::Continuation) if message.fragments < self.max_fragments() => Ok(()),
            (Some(_), Opcode::Continuation) => Err(WireError::TooManyFragments),
            (Some(_), _) => Err(WireError::MessageWithinMessage),
        }
    }

    fn judge_length(&self, kind: Kind, length: u64) -> Result<usize, WireError> {
        let held = self.message.as_ref().map_or(0, |message| message.len());
        match usize::try_from(length) {
            Ok(length) if kind.opcode.is_control() || length <= self.max_message - held => Ok(length),
            _ => Err(WireError::MessageTooBig),
        }
    }

    fn max_fragments(&self) -> usize {
        MIN_FRAGMENTS.max(self.max_message / BYTES_PER_FRAGMENT)
    }

    fn read_payload(&mut self, frame: Frame, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        let (masked, rest) = input.split_at(input.len().min(frame.missing));
        *input = rest;
        self.frame = frame.after(masked.len());
        match frame.kind.opcode.is_control() {
            true => self.read_control(frame, masked),
            false => self.read_data(frame, masked),
        }
    }

    fn read_control(&mut self, frame: Frame, masked: &[u8]) -> Result<Option<Message>, WireError> {
        self.control.reserve_exact(frame.missing);
        frame.mask.unmask_onto(masked, &mut self.control);
        if masked.len() < frame.missing {
            return Ok(None);
        }
        let payload = mem::take(&mut self.control);
        Ok(Some(match frame.kind.opcode {
            Opcode::Close => Message::Close(close::read(&payload)?),
            Opcode::Ping => Message::Ping(payload.into()),
            _ => Message::Pong(payload.into()),
        }))
    }

    /// The box around a message exists only between two calls; a message that comes at once needs none.
    fn read_data(&mut self, frame: Frame, masked: &[u8]) -> Result<Option<Message>, WireError> {
        let begun = self.message.take();
        let mut message = begun.map_or_else(|| PartialMessage::new(frame.kind), |begun| *begun);
        message.push(masked, frame.mask, frame.missing)?;
        let frame_ends = masked.len() == frame.missing;
        if frame_ends && frame.kind.fin {
            return message.finish(self.max_message).map(Some);
        }
        message.fragments += usize::from(frame_ends);
        self.message = Some(Box::new(message));
        Ok(None)
    }
}

impl Frame {
    /// What remains of it after `bytes` of its payload.
    fn after(self, bytes: usize) -> Option<Self> {
        let missing = self.missing - bytes;
        (missing > 0).then(|| Self { missing, mask: self.mask.after(bytes), ..self })
    }
}

impl PartialHeader {
    fn followed_by(mut self, input: &[u8]) -> Self {
        let free = &mut self.bytes[usize::from(self.length)..];
        let taken = input.len().min(free.len());
        free[..taken].copy_from_slice(&input[..taken]);
        self.length += taken as u8;
        self
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{CloseCode, hex};

    /// What a decoder for messages of 100 bytes makes of these bytes.
    fn decoded(bytes: &str) -> Result<Vec<Message>, WireError> {
        let mut decoder = Decoder::new(100, true);
        let (bytes, mut messages) = (hex(bytes), Vec::new());
        let mut input = &bytes[..];
        while let Some(message) = decoder.decode(&mut input)? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// How many of these bytes it takes until the error is known; the error.
    fn refused(bytes: &str) -> Option<(usize, WireError)> {
        let mut decoder = Decoder::new(100, true);
        let judged = hex(bytes).into_iter().map(|byte| decoder.decode(&mut &[byte][..]).err());
        judged.zip(1..).find_map(|(error, count)| error.map(|error| (count, error)))
    }

    fn text(text: &str) -> Message {
        Message::Text(text.into())
    }

    #[test]
    fn the_examples_of_rfc_6455_are_read() {
        let masked = "81 85 37 fa 21 3d 7f 9f 4d 51 58";
        assert_eq!(decoded(masked), Ok(vec![text("Hello")]));
        let pong = "8a 85 37 fa 21 3d 7f 9f 4d 51 58";
        assert_eq!(decoded(pong), Ok(vec![Message::Pong("Hello".into())]));
        let fragments = "01 83 00 00 00 00 48 65 6c 80 82 00 00 00 00 6c 6f";
        assert_eq!(decoded(fragments), Ok(vec![text("Hello")]));
    }

    #[test]
    fn the_examples_of_rfc_7692_are_read() {
        let whole = "c1 87 00 00 00 00 f2 48 cd c9 c9 07 00";
        assert_eq!(decoded(whole), Ok(vec![text("Hello")]));
        let fragments = "41 83 00 00 00 00 f2 48 cd 80 84 00 00 00 00 c9 c9 07 00";
        assert_eq!(decoded(fragments), Ok(vec![text("Hello")]));
    }

    #[test]
    fn a_control_frame_may_come_between_fragments() {
        let bytes = "02 81 00 00 00 00 01 89 81 00 00 00 00 ff 80 80 00 00 00 00";
        let messages = vec![Message::Ping(vec![0xff].into()), Message::Binary(vec![1].into())];
        assert_eq!(decoded(bytes), Ok(messages));
    }

    #[test]
    fn a_goodbye_is_read() {
        assert_eq!(decoded("88 80 00 00 00 00"), Ok(vec![Message::Close(None)]));
        let goodbye = Message::Close(Some((CloseCode::Away, "bye").into()));
        assert_eq!(decoded("88 85 00 00 00 00 03 e9 62 79 65"), Ok(vec![goodbye]));
    }

    #[test]
    fn a_broken_rule_is_known_at_the_first_byte_that_breaks_it() {
        use WireError::*;
        let cases = [
            ("a1", 1, ReservedBit),
            ("91", 1, ReservedBit),
            ("c9", 1, ReservedBit),
            ("41 80 00 00 00 00 c0", 7, ReservedBit),
            ("83", 1, ReservedOpcode(3)),
            ("8f", 1, ReservedOpcode(15)),
            ("81 05", 2, NotMasked),
            ("09", 1, FragmentedControl),
            ("88 fe", 2, LongControl),
            ("82 fe 00 05", 4, LongForm),
            ("82 ff 00 00 00 00 00 00 00 05", 10, LongForm),
            ("82 ff 80 00 00 00 00 00 00 00", 10, LengthTopBit),
            ("80", 1, NothingToContinue),
            ("01 80 00 00 00 00 81", 7, MessageWithinMessage),
            ("88 81 00 00 00 00 03", 7, HalfCloseCode),
            ("88 82 00 00 00 00 03 ed", 8, CloseCode(1005)),
            ("88 83 00 00 00 00 03 e8 ff", 9, NotUtf8),
            ("c1 81 00 00 00 00 07", 7, NotDeflate),
            ("82 e5", 2, MessageTooBig),
            ("82 ff 00 00 00 00 40 00 00 00", 10, MessageTooBig),
        ];
        for (bytes, count, error) in cases {
            assert_eq!(refused(bytes), Some((count, error)), "{bytes}");
        }
    }

    #[test]
    fn the_fragments_of_a_message_count_together() {
        let full = format!("02 e4 00 00 00 00 {}", "2a ".repeat(100));
        assert_eq!(refused(&format!("{full} 80 81")), Some((108, WireError::MessageTooBig)));
        assert_eq!(decoded(&format!("{full} 80 80 00 00 00 00")).unwrap().len(), 1);
    }

    #[test]
    fn text_is_judged_inside_a_frame_that_has_not_ended() {
        let surrogate = "81 8a 00 00 00 00 ce ba ed a0 80";
        assert_eq!(refused(surrogate), Some((10, WireError::NotUtf8)));
        let cut_off = "81 81 00 00 00 00 ce";
        assert_eq!(refused(cut_off), Some((7, WireError::NotUtf8)));
    }

    #[test]
    fn compressed_text_is_judged_inflated() {
        assert_eq!(decoded("c1 87 00 00 00 00 00 01 00 fe ff ff 00"), Err(WireError::NotUtf8));
    }

    #[test]
    fn without_an_agreement_nothing_may_be_compressed() {
        let mut plain = Decoder::new(100, false);
        assert_eq!(plain.decode(&mut &hex("c1")[..]), Err(WireError::ReservedBit));
    }

    #[test]
    fn a_message_has_at_most_1024_fragments_even_if_they_are_empty() {
        let fragments =
            |count: usize| format!("01 80 00 00 00 00 {}", "00 80 00 00 00 00 ".repeat(count - 1));
        let last = "80 80 00 00 00 00";
        assert_eq!(decoded(&format!("{} {last}", fragments(1023))), Ok(vec![text("")]));
        assert_eq!(decoded(&format!("{} {last}", fragments(1024))), Err(WireError::TooManyFragments));
    }

    #[test]
    fn a_large_message_may_come_in_fragments_of_64_bytes() {
        let mut decoder = Decoder::new(1 << 20, false);
        let fragment = [&hex("02 c0 00 00 00 00"), &[7; 64][..]].concat();
        assert_eq!(decoder.decode(&mut &fragment[..]), Ok(None));
        let rest = [&hex("00 c0 00 00 00 00"), &[7; 64][..]].concat().repeat((1 << 14) - 1);
        assert_eq!(decoder.decode(&mut &rest[..]), Ok(None));
        let end = hex("80 80 00 00 00 00");
        assert_eq!(decoder.decode(&mut &end[..]), Err(WireError::TooManyFragments));
    }

    #[test]
    fn what_is_announced_takes_no_memory_until_it_comes() {
        let mut decoder = Decoder::new(1 << 30, false);
        assert_eq!(decoder.decode(&mut &hex("82 ff 00 00 00 00 40 00 00 00 01 02 03 04")[..]), Ok(None));
        for _ in 0..1000 {
            assert_eq!(decoder.decode(&mut &[7][..]), Ok(None));
        }
        assert!(decoder.held_bytes() < 3000);
    }

    #[test]
    fn an_idle_decoder_is_small_and_holds_nothing() {
        assert!(size_of::<Decoder>() <= 96);
        let mut decoder = Decoder::new(1 << 16, true);
        let half = hex("81 85 37 fa 21 3d 7f 9f");
        assert_eq!(decoder.decode(&mut &half[..]), Ok(None));
        assert!(decoder.held_bytes() > 0);
        assert_eq!(decoder.decode(&mut &hex("4d 51 58")[..]), Ok(Some(text("Hello"))));
        assert_eq!(decoder.held_bytes(), 0);
    }
}
