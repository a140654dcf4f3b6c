//! A message of a client, and one that is still arriving.

use super::{
    CloseFrame, WireError,
    header::{Kind, Opcode},
    inflate::Inflater,
    mask::Mask,
    text::Text,
};
use bytes::Bytes;
use bytestring::ByteString;

/// A whole message, or a control frame, that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message (RFC 6455 §5.6), its fragments joined and inflated.
    Text(ByteString),
    /// A binary message (RFC 6455 §5.6), its fragments joined and inflated.
    Binary(Bytes),
    /// A ping (RFC 6455 §5.5.2), with up to 125 bytes that the pong repeats.
    Ping(Bytes),
    /// A pong (RFC 6455 §5.5.3), with the bytes of the ping that it answers.
    Pong(Bytes),
    /// A close frame (RFC 6455 §5.5.1); `None` if its payload is empty.
    Close(Option<CloseFrame>),
}

/// A message of which not all bytes have arrived.
///
/// It holds the unmasked payload, and grows with the bytes that arrive, not with the length that
/// was announced.
#[derive(Debug)]
pub struct PartialMessage {
    kind: Kind,
    body: Body,
    /// Frames of the message that have arrived completely.
    pub fragments: usize,
}

impl PartialMessage {
    /// Begins a message whose first frame is of this `kind`.
    pub fn new(kind: Kind) -> Self {
        let body = if kind.rsv1 { Body::Binary(Vec::new()) } else { Body::new(kind.opcode) };
        Self { kind, body, fragments: 0 }
    }

    /// Unmasks bytes that arrived and appends them. At most `may_arrive` bytes of the message,
    /// these included, can still arrive.
    ///
    /// # Errors
    /// [`WireError::NotUtf8`] if the bytes belong to an uncompressed text message and cannot be
    /// UTF-8.
    pub fn push(&mut self, masked: &[u8], mask: Mask, may_arrive: usize) -> Result<(), WireError> {
        self.body.reserve(masked.len(), may_arrive);
        match &mut self.body {
            Body::Text(text) => mask.unmask(masked, |plain| text.push(plain))?,
            Body::Binary(bytes) => mask.unmask_onto(masked, bytes),
        }
        Ok(())
    }

    /// Returns the whole message, inflated to at most `max_message` bytes. A compressed message is
    /// held twice, compressed and inflated, until this returns.
    ///
    /// # Errors
    /// [`WireError::NotDeflate`] if it cannot be inflated, [`WireError::MessageTooBig`] if it
    /// inflates to more than `max_message` bytes, [`WireError::NotUtf8`] if it is text and is not
    /// UTF-8.
    pub fn finish(self, max_message: usize, inflater: &mut Inflater) -> Result<Message, WireError> {
        match self.body {
            Body::Binary(deflated) if self.kind.rsv1 => {
                let mut plain = Body::new(self.kind.opcode);
                inflater.inflate(&deflated, max_message, |piece| {
                    plain.reserve(piece.len(), max_message - plain.len());
                    plain.push(piece)
                })?;
                plain.finish()
            }
            body => body.finish(),
        }
    }

    /// Returns the bytes of payload that arrived on the wire.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Returns the bytes of memory that the payload occupies.
    pub fn capacity(&self) -> usize {
        self.body.capacity()
    }
}

/// The payload, in a buffer of its own: a slice of the read buffer would keep the whole read buffer
/// alive.
#[derive(Debug)]
enum Body {
    Text(Text),
    Binary(Vec<u8>),
}

impl Body {
    fn new(opcode: Opcode) -> Self {
        if opcode == Opcode::Text { Self::Text(Text::default()) } else { Self::Binary(Vec::new()) }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Reserves space for `arrived` bytes. The capacity doubles, so that many small steps cost
    /// little, but never exceeds the current length plus `may_arrive`.
    fn reserve(&mut self, arrived: usize, may_arrive: usize) {
        let (length, capacity) = (self.len(), self.capacity());
        if length + arrived <= capacity {
            return;
        }
        let additional = (2 * capacity).clamp(length + arrived, length + may_arrive) - length;
        match self {
            Self::Text(text) => text.reserve_exact(additional),
            Self::Binary(bytes) => bytes.reserve_exact(additional),
        }
    }

    fn push(&mut self, plain: &[u8]) -> Result<(), WireError> {
        match self {
            Self::Text(text) => text.push(plain)?,
            Self::Binary(bytes) => bytes.extend_from_slice(plain),
        }
        Ok(())
    }

    /// Returns the message; the boxes release the capacity that was not used.
    fn finish(self) -> Result<Message, WireError> {
        Ok(match self {
            Self::Text(text) => Message::Text(text.finish()?.into_boxed_str().into()),
            Self::Binary(bytes) => Message::Binary(Bytes::from(bytes.into_boxed_slice())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the capacity after each of these steps, of a message of `may_arrive` bytes.
    fn capacities(steps: &[usize], may_arrive: usize) -> Vec<usize> {
        let mut body = Body::new(Opcode::Binary);
        let capacity = |arrived: &usize| {
            body.reserve(*arrived, may_arrive - body.len());
            body.push(&vec![0; *arrived]).unwrap();
            body.capacity()
        };
        steps.iter().map(capacity).collect()
    }

    #[test]
    fn capacity_doubles_but_never_exceeds_what_may_arrive() {
        assert_eq!(capacities(&[1000], 1000), [1000]);
        assert_eq!(capacities(&[100, 1, 99, 1, 700], 1000), [100, 200, 200, 400, 901]);
        assert_eq!(capacities(&[600, 1, 399], 1000), [600, 1000, 1000]);
    }

    #[test]
    fn a_finished_message_holds_no_unused_capacity() {
        let mut body = Body::new(Opcode::Binary);
        body.reserve(5, 5);
        body.push(b"Hello").unwrap();
        body.reserve(1, 1000);
        let Ok(Message::Binary(bytes)) = body.finish() else { panic!("the message is binary") };
        assert_eq!(bytes.try_into_mut().unwrap().capacity(), 5);
    }
}
