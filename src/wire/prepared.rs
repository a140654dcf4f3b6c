//! A payload that is encoded at most once for all its receivers.

use super::{
    deflate::{Deflater, WindowBits},
    frame,
    header::Opcode,
};
use bytes::Bytes;
use bytestring::ByteString;
use std::sync::OnceLock;

/// The payload of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 text.
    Text(ByteString),
    /// Any bytes.
    Binary(Bytes),
}

impl Payload {
    /// Returns the bytes of the text, or the bytes.
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

/// A payload and its frames: each frame is encoded at most once, when it is first needed, and then
/// shared by all threads.
#[derive(Debug)]
pub struct Prepared {
    payload: Payload,
    plain: OnceLock<Bytes>,
    /// Compressed frames, by the window of their receivers; boxed because most messages are below
    /// the threshold.
    compressed: OnceLock<Box<[OnceLock<Bytes>; WindowBits::COUNT]>>,
}

impl Prepared {
    /// Creates a payload with no frame encoded.
    pub fn new(payload: Payload) -> Self {
        Self { payload, plain: OnceLock::new(), compressed: OnceLock::new() }
    }

    /// Returns the payload.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns the frame without compression.
    pub fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| plain(&self.payload))
    }

    /// Returns the frame for a client that negotiated compression with this `window`. It is the
    /// plain frame if there is no window, if the payload is smaller than the threshold, and if
    /// compression would not make it smaller.
    pub fn encoded(&self, window: Option<WindowBits>, deflater: &Deflater) -> &Bytes {
        match window {
            Some(window) if deflater.is_for(self.payload.as_bytes()) => {
                let frames = self.compressed.get_or_init(Default::default);
                frames[window.index()].get_or_init(|| self.compress(window, deflater))
            }
            _ => self.plain(),
        }
    }

    fn compress(&self, window: WindowBits, deflater: &Deflater) -> Bytes {
        match deflater.deflate(self.payload.as_bytes(), window) {
            Some(deflated) => frame::data(self.payload.opcode(), true, &deflated),
            None => self.plain().clone(),
        }
    }
}

/// Encodes a frame for one client, without compression.
pub fn plain(payload: &Payload) -> Bytes {
    frame::data(payload.opcode(), false, payload.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Compression;
    use std::{sync::Barrier, thread};
    use testing::hex;

    fn deflater() -> Deflater {
        Deflater::new(Compression { level: 4, threshold: 100 })
    }

    fn text(text: &str) -> Prepared {
        Prepared::new(Payload::Text(text.into()))
    }

    #[test]
    fn a_client_without_compression_receives_the_plain_frame() {
        let prepared = text("Hello");
        assert_eq!(prepared.encoded(None, &deflater()), &hex("81 05 48 65 6c 6c 6f"));
        let prepared = Prepared::new(Payload::Binary(hex("00 ff").into()));
        assert_eq!(prepared.plain(), &hex("82 02 00 ff"));
    }

    #[test]
    fn a_message_of_at_least_the_threshold_is_compressed() {
        let frame = |length| text(&"a".repeat(length)).encoded(Some(WindowBits::MAX), &deflater()).clone();
        assert_eq!(frame(99)[0], 0x81);
        assert_eq!(frame(100)[0], 0xc1);
        assert!(frame(100).len() < 20);
    }

    #[test]
    fn a_message_that_compression_does_not_make_smaller_is_sent_plain() {
        let prepared = text("Hello");
        let deflater = Deflater::new(Compression { level: 9, threshold: 0 });
        assert_eq!(prepared.encoded(Some(WindowBits::MAX), &deflater), prepared.plain());
    }

    #[test]
    fn every_frame_is_encoded_once_and_shared_by_all_threads() {
        let prepared = text(&"once for all ".repeat(100));
        let start = Barrier::new(4);
        let encoded = |window| {
            start.wait();
            prepared.encoded(Some(window), &deflater()).as_ptr() as usize
        };
        let small = WindowBits::new(9).unwrap();
        let frames = thread::scope(|scope| {
            let windows = [small, WindowBits::MAX, WindowBits::MAX, small];
            windows.map(|window| scope.spawn(move || encoded(window))).map(|thread| thread.join().unwrap())
        });
        assert_eq!((frames[0], frames[1]), (frames[3], frames[2]));
        assert_ne!(frames[0], frames[1]);
    }
}
