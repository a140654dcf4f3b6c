//! The part of RFC 6455 that a counting client needs: masked frames out, complete frames in, no
//! copies.

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An empty pong, the answer to an empty ping.
pub const PONG: [u8; 6] = [0x8a, 0x80, MASK[0], MASK[1], MASK[2], MASK[3]];

/// A text message as a client sends it, in one masked frame (§5.2).
pub fn text(payload: &[u8]) -> Vec<u8> {
    testing::masked_frame(0x81, MASK, payload)
}

/// A text message as a server sends it, of less than 64 KiB.
pub fn prepared(payload: &[u8]) -> Vec<u8> {
    [&header(payload.len()), payload].concat()
}

fn header(length: usize) -> Vec<u8> {
    match u16::try_from(length).expect("messages of the benchmark are below 64 KiB") {
        length @ ..126 => vec![0x81, length as u8],
        length => [&[0x81, 126][..], &length.to_be_bytes()].concat(),
    }
}

/// The payload of a frame of [`text`], and the length of the frame in bytes; `None` until it is
/// complete.
pub fn unmask(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (start, length) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let (mask, payload) = bytes.get(start..start + 4 + length)?.split_at(4);
    let plain = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((plain, start + 4 + length))
}

/// The content of a complete frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Received {
    /// The last or only frame of a message, with its length in bytes.
    Message(usize),
    Ping,
    Other,
}

/// Finds the frames in the bytes of a server, and keeps only a header.
#[derive(Default)]
pub struct Reader {
    header: [u8; 10],
    held: usize,
    /// Bytes of the payload that are missing, once the header is complete.
    missing: Option<usize>,
    length: usize,
}

impl Reader {
    /// Reads `bytes` and reports every frame that is complete now.
    pub fn take(&mut self, mut bytes: &[u8], mut report: impl FnMut(Received)) {
        while let Some(received) = self.next(&mut bytes) {
            report(received);
        }
    }

    fn next(&mut self, bytes: &mut &[u8]) -> Option<Received> {
        let missing = match self.missing {
            Some(missing) => missing,
            None => self.read_header(bytes)?,
        };
        let skipped = missing.min(bytes.len());
        *bytes = &bytes[skipped..];
        self.missing = Some(missing - skipped);
        (skipped == missing).then(|| self.end_frame())
    }

    /// The length of the payload, once the header is complete.
    fn read_header(&mut self, bytes: &mut &[u8]) -> Option<usize> {
        while self.held < self.header_length() {
            let (byte, rest) = bytes.split_first()?;
            self.header[self.held] = *byte;
            self.held += 1;
            *bytes = rest;
        }
        let [_, short, extended @ ..] = &self.header;
        self.length = match short {
            126 => usize::from(u16::from_be_bytes([extended[0], extended[1]])),
            127 => u64::from_be_bytes(*extended) as usize,
            short => usize::from(*short),
        };
        Some(self.length)
    }

    fn header_length(&self) -> usize {
        match (self.held, self.header[1]) {
            (2.., 126) => 4,
            (2.., 127) => 10,
            _ => 2,
        }
    }

    fn end_frame(&mut self) -> Received {
        self.missing = None;
        self.held = 0;
        match (self.header[0] & 0x80 != 0, self.header[0] & 0x0f) {
            (true, 0..=2) => Received::Message(self.length),
            (_, 9) => Received::Ping,
            _ => Received::Other,
        }
    }
}
