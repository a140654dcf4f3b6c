//! A payload that is encoded once for all who hear it.

use super::{
    deflate::{Compression, WindowBits, deflate},
    frame,
    header::Opcode,
};
use bytes::Bytes;
use bytestring::ByteString;
use std::sync::OnceLock;

/// What a client says and a room hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    Text(ByteString),
    Binary(Bytes),
}

impl Payload {
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

/// A payload and its frames: each is made at most once, by the first who needs it, and then shared by
/// all threads.
#[derive(Debug)]
pub struct Prepared {
    payload: Payload,
    plain: OnceLock<Bytes>,
    /// By the window of those who read them; most messages are below the threshold and need none.
    compressed: OnceLock<Box<[OnceLock<Bytes>; WindowBits::COUNT]>>,
}

impl Prepared {
    pub fn new(payload: Payload) -> Self {
        Self { payload, plain: OnceLock::new(), compressed: OnceLock::new() }
    }

    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// One frame without compression.
    pub fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| plain(&self.payload))
    }

    /// The frame for a client that agreed on compression with this window; the plain one for a client
    /// that did not, below the threshold, and where compression would not make it smaller.
    pub fn encoded(&self, window: Option<WindowBits>, compression: &Compression) -> &Bytes {
        match window {
            Some(window) if self.payload.as_bytes().len() >= compression.threshold => {
                let forms = self.compressed.get_or_init(Default::default);
                forms[window.index()].get_or_init(|| self.compress(window, compression.level))
            }
            _ => self.plain(),
        }
    }

    fn compress(&self, window: WindowBits, level: u32) -> Bytes {
        match deflate(self.payload.as_bytes(), window, level) {
            Some(deflated) => frame::data(self.payload.opcode(), true, &deflated),
            None => self.plain().clone(),
        }
    }
}

/// A frame for one client, without compression.
pub fn plain(payload: &Payload) -> Bytes {
    frame::data(payload.opcode(), false, payload.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;
    use std::{sync::Barrier, thread};

    const COMPRESSION: Compression = Compression { level: 4, threshold: 100 };

    fn text(text: &str) -> Prepared {
        Prepared::new(Payload::Text(text.into()))
    }

    #[test]
    fn a_client_without_compression_gets_the_plain_frame() {
        let prepared = text("Hello");
        assert_eq!(prepared.encoded(None, &COMPRESSION), &hex("81 05 48 65 6c 6c 6f"));
        let prepared = Prepared::new(Payload::Binary(hex("00 ff").into()));
        assert_eq!(prepared.plain(), &hex("82 02 00 ff"));
    }

    #[test]
    fn a_message_is_compressed_from_the_threshold_on() {
        let form = |length| text(&"a".repeat(length)).encoded(Some(WindowBits::MAX), &COMPRESSION).clone();
        assert_eq!(form(99)[0], 0x81);
        assert_eq!(form(100)[0], 0xc1);
        assert!(form(100).len() < 20);
    }

    #[test]
    fn what_compression_does_not_make_smaller_is_sent_plain() {
        let prepared = text("Hello");
        let eager = Compression { level: 9, threshold: 0 };
        assert_eq!(prepared.encoded(Some(WindowBits::MAX), &eager), prepared.plain());
    }

    #[test]
    fn every_form_is_made_once_and_shared_by_all_threads() {
        let prepared = text(&"once for all ".repeat(100));
        let start = Barrier::new(4);
        let made = |window| {
            start.wait();
            prepared.encoded(Some(window), &COMPRESSION).as_ptr() as usize
        };
        let small = WindowBits::new(9).unwrap();
        let forms = thread::scope(|scope| {
            let windows = [small, WindowBits::MAX, WindowBits::MAX, small];
            windows.map(|window| scope.spawn(move || made(window))).map(|thread| thread.join().unwrap())
        });
        assert_eq!((forms[0], forms[1]), (forms[3], forms[2]));
        assert_ne!(forms[0], forms[1]);
    }
}
