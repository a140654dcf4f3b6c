//! The bytes from the server, cut into frames (RFC 6455 §5.2), each of which is checked.

use bytes::{Buf, Bytes, BytesMut};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Opcode {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

pub struct Frame {
    pub opcode: Opcode,
    pub compressed: bool,
    pub payload: Bytes,
}

/// Bytes that are not a whole frame yet.
#[derive(Default)]
pub struct Frames {
    pub unread: BytesMut,
}

impl Frames {
    /// The next frame if it is whole, or what is wrong with it.
    pub fn take(&mut self) -> Result<Option<Frame>, &'static str> {
        let [first, second, rest @ ..] = &self.unread[..] else { return Ok(None) };
        let opcode = opcode(*first)?;
        if second & 0x80 != 0 {
            return Err("a server masks nothing");
        }
        let Some((length, bytes_of_length)) = length(second & 0x7f, rest)? else { return Ok(None) };
        let (head, compressed) = (2 + bytes_of_length, first & 0x40 != 0);
        if self.unread.len() < head + length {
            return Ok(None);
        }
        self.unread.advance(head);
        Ok(Some(Frame { opcode, compressed, payload: self.unread.split_to(length).freeze() }))
    }
}

fn opcode(first: u8) -> Result<Opcode, &'static str> {
    match (first & 0xbf, first & 0x40 != 0) {
        (0x81, _) => Ok(Opcode::Text),
        (0x82, _) => Ok(Opcode::Binary),
        (0x88, false) => Ok(Opcode::Close),
        (0x89, false) => Ok(Opcode::Ping),
        (0x8a, false) => Ok(Opcode::Pong),
        _ => Err("a first byte that no frame of this server has"),
    }
}

/// The length of the payload, and the number of extended length bytes.
fn length(short: u8, rest: &[u8]) -> Result<Option<(usize, usize)>, &'static str> {
    let (length, bytes, least) = match short {
        126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 2, 126),
        127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 8, 0x1_0000),
        short => (Some(u64::from(short)), 0, 0),
    };
    match length {
        Some(length) if length < least => Err("a length that is not written in its shortest form"),
        Some(length) if length > 1 << 24 => Err("a length beyond all messages"),
        length => Ok(length.map(|length| (length as usize, bytes))),
    }
}
