//! The decoder of one client's frames: bytes in, whole messages out, however the bytes are cut.

use super::{
    Inflater, Message, WireError, close,
    header::{Kind, MAX_HEADER, Opcode, read_length},
    mask::Mask,
    message::PartialMessage,
};
use std::mem;

/// Fragments that every message may have, inclusive.
const MIN_FRAGMENTS: usize = 1024;

/// Bytes of the largest message for each of which one fragment is allowed, if that makes more than
/// [`MIN_FRAGMENTS`].
const BYTES_PER_FRAGMENT: usize = 64;

/// The decoder of one client's frames. It holds no heap memory between messages.
#[derive(Debug)]
pub struct Decoder {
    /// The largest message in bytes, inclusive, also after decompression.
    max_message: usize,
    /// permessage-deflate was negotiated.
    compression: bool,
    header: PartialHeader,
    frame: Option<Frame>,
    message: Option<Box<PartialMessage>>,
    control: Vec<u8>,
}

/// The first bytes of a header of which not all bytes have arrived.
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
    /// Bytes of the payload that have not arrived.
    missing: usize,
}

impl Decoder {
    /// Creates a decoder that accepts messages of at most `max_message` bytes, on the wire as well
    /// as inflated, in at most 1024 fragments or one for every 64 bytes of `max_message`, whichever
    /// is more. Beyond a bound, [`Decoder::decode`] returns an error. `compression` is true if
    /// permessage-deflate was negotiated.
    pub fn new(max_message: usize, compression: bool) -> Self {
        let header = PartialHeader::default();
        Self { max_message, compression, header, frame: None, message: None, control: Vec::new() }
    }

    /// Consumes `input` up to the end of the next message; returns `None` if `input` ends before
    /// that. `inflater` inflates a compressed message.
    ///
    /// # Errors
    /// Returns the rule that the peer broke, at the first byte that breaks it. The decoder must not
    /// be used after that.
    pub fn decode(
        &mut self,
        input: &mut &[u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Message>, WireError> {
        while !input.is_empty() {
            let read = match self.frame {
                Some(frame) => self.read_payload(frame, input, inflater),
                None => self.read_frame(input, inflater),
            };
            if !matches!(read, Ok(None)) {
                return read;
            }
        }
        Ok(None)
    }

    /// Returns the bytes of heap memory that partial messages occupy: at most `max_message`, the
    /// 125 bytes of a control frame between two fragments, and less than 100 bytes of bookkeeping.
    pub fn held_bytes(&self) -> usize {
        let message = self.message.as_ref();
        let message = message.map_or(0, |message| message.capacity() + size_of::<PartialMessage>());
        message + self.control.capacity()
    }

    fn read_frame(
        &mut self,
        input: &mut &[u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Message>, WireError> {
        match self.read_header(input)? {
            Some(frame) => self.read_payload(frame, input, inflater),
            None => Ok(None),
        }
    }

    /// Reads a header. A header that arrived in one piece is validated in `input`, without a copy.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, WireError> {
        let joined = (self.header.length > 0).then(|| self.header.followed_by(input));
        let bytes = joined.as_ref().map_or(*input, PartialHeader::bytes);
        let Some((frame, size)) = self.check_header(bytes)? else {
            self.header = PartialHeader::default().followed_by(bytes);
            *input = &[];
            return Ok(None);
        };
        *input = &input[size - usize::from(self.header.length)..];
        self.header.length = 0;
        Ok(Some(frame))
    }

    /// Validates the bytes of a header that have arrived; returns the frame and the header's size
    /// once it is complete.
    fn check_header(&self, bytes: &[u8]) -> Result<Option<(Frame, usize)>, WireError> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let kind = Kind::read(*first)?;
        self.check_kind(kind)?;
        let Some((length, size)) = read_length(rest, kind.opcode)? else { return Ok(None) };
        let missing = self.check_length(kind, length)?;
        let Some(mask) = rest[size..].first_chunk() else { return Ok(None) };
        let frame = Frame { kind, mask: Mask::new(*mask), missing };
        Ok(Some((frame, 1 + size + mask.len())))
    }

    /// Rejects a frame of a kind that is not allowed now (RFC 6455 §5.4).
    fn check_kind(&self, kind: Kind) -> Result<(), WireError> {
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

    fn check_length(&self, kind: Kind, length: u64) -> Result<usize, WireError> {
        let held = self.message.as_ref().map_or(0, |message| message.len());
        match usize::try_from(length) {
            Ok(length) if kind.opcode.is_control() || length <= self.max_message - held => Ok(length),
            _ => Err(WireError::MessageTooBig),
        }
    }

    fn max_fragments(&self) -> usize {
        MIN_FRAGMENTS.max(self.max_message / BYTES_PER_FRAGMENT)
    }

    fn read_payload(
        &mut self,
        frame: Frame,
        input: &mut &[u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Message>, WireError> {
        let (masked, rest) = input.split_at(input.len().min(frame.missing));
        *input = rest;
        self.frame = frame.after(masked.len());
        match frame.kind.opcode.is_control() {
            true => self.read_control(frame, masked),
            false => self.read_data(frame, masked, inflater),
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

    /// Appends payload to the message. Only a message that is still partial afterwards is put into
    /// a box.
    fn read_data(
        &mut self,
        frame: Frame,
        masked: &[u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Message>, WireError> {
        let partial = self.message.take();
        let mut message = partial.map_or_else(|| PartialMessage::new(frame.kind), |partial| *partial);
        let may_arrive = if frame.kind.fin { frame.missing } else { self.max_message - message.len() };
        message.push(masked, frame.mask, may_arrive)?;
        let frame_ends = masked.len() == frame.missing;
        if frame_ends && frame.kind.fin {
            return message.finish(self.max_message, inflater).map(Some);
        }
        message.fragments += usize::from(frame_ends);
        self.message = Some(Box::new(message));
        Ok(None)
    }
}

impl Frame {
    /// Returns the rest of the frame after `bytes` of its payload; `None` at its end.
    fn after(self, bytes: usize) -> Option<Self> {
        let missing = self.missing - bytes;
        (missing > 0).then(|| Self { missing, mask: self.mask.after(bytes), ..self })
    }
}

impl PartialHeader {
    /// Appends as many bytes of `input` as a header can still need.
    fn followed_by(mut self, input: &[u8]) -> Self {
        let free = &mut self.bytes[usize::from(self.length)..];
        let copied = input.len().min(free.len());
        free[..copied].copy_from_slice(&input[..copied]);
        self.length += copied as u8;
        self
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}
