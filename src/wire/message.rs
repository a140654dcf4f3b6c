//! What has come of a message, unmasked; it grows with what comes, not with what was announced.

use super::{
    Message, WireError,
    header::{Kind, Opcode},
    inflate::inflate,
    mask::Mask,
    text::Text,
};
use bytes::Bytes;

/// A message some of whose bytes have come.
#[derive(Debug)]
pub struct PartialMessage {
    kind: Kind,
    body: Body,
    /// Frames that have wholly come of it.
    pub fragments: usize,
}

impl PartialMessage {
    /// The message that begins with a frame of this kind.
    pub fn new(kind: Kind) -> Self {
        let body = if kind.rsv1 { Body::Binary(Vec::new()) } else { Body::new(kind.opcode) };
        Self { kind, body, fragments: 0 }
    }

    /// Takes what came, of `may_come` bytes at most.
    pub fn push(&mut self, masked: &[u8], mask: Mask, may_come: usize) -> Result<(), WireError> {
        self.body.reserve(masked.len(), may_come);
        match &mut self.body {
            Body::Text(text) => mask.unmask(masked, |plain| text.push(plain))?,
            Body::Binary(bytes) => mask.unmask_onto(masked, bytes),
        }
        Ok(())
    }

    /// The whole message, of at most `max_message` bytes. A compressed one is there twice for a moment.
    pub fn finish(self, max_message: usize) -> Result<Message, WireError> {
        match self.body {
            Body::Binary(deflated) if self.kind.rsv1 => {
                let mut plain = Body::new(self.kind.opcode);
                inflate(&deflated, max_message, |piece| {
                    plain.reserve(piece.len(), max_message - plain.len());
                    plain.push(piece)
                })?;
                plain.finish()
            }
            body => body.finish(),
        }
    }

    /// Bytes of payload that came on the wire.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Bytes of memory that the payload takes.
    pub fn capacity(&self) -> usize {
        self.body.capacity()
    }
}

/// The payload itself, in a buffer of its own: a slice of the read buffer would keep all of that alive.
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

    /// Makes room for what came; doubles it, so that many small steps cost little, but never for more
    /// than may come.
    fn reserve(&mut self, came: usize, may_come: usize) {
        let (length, capacity) = (self.len(), self.capacity());
        if length + came <= capacity {
            return;
        }
        let room = (2 * capacity).clamp(length + came, length + may_come) - length;
        match self {
            Self::Text(text) => text.reserve_exact(room),
            Self::Binary(bytes) => bytes.reserve_exact(room),
        }
    }

    fn push(&mut self, plain: &[u8]) -> Result<(), WireError> {
        match self {
            Self::Text(text) => text.push(plain)?,
            Self::Binary(bytes) => bytes.extend_from_slice(plain),
        }
        Ok(())
    }

    /// The boxes give back the room that nothing came for.
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

    /// The room after each of these steps, of `may_come` bytes in all.
    fn capacities(steps: &[usize], may_come: usize) -> Vec<usize> {
        let mut body = Body::new(Opcode::Binary);
        let room = |came: &usize| {
            body.reserve(*came, may_come - body.len());
            body.push(&vec![0; *came]).unwrap();
            body.capacity()
        };
        steps.iter().map(room).collect()
    }

    #[test]
    fn room_is_doubled_but_never_beyond_what_may_come() {
        assert_eq!(capacities(&[1000], 1000), [1000]);
        assert_eq!(capacities(&[100, 1, 99, 1, 700], 1000), [100, 200, 200, 400, 901]);
        assert_eq!(capacities(&[600, 1, 399], 1000), [600, 1000, 1000]);
    }

    #[test]
    fn a_message_keeps_no_room_that_nothing_came_for() {
        let mut body = Body::new(Opcode::Binary);
        body.reserve(5, 5);
        body.push(b"Hello").unwrap();
        body.reserve(1, 1000);
        let Ok(Message::Binary(bytes)) = body.finish() else { panic!("the message is binary") };
        assert_eq!(bytes.try_into_mut().unwrap().capacity(), 5);
    }
}
