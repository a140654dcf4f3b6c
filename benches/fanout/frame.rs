//! As much of RFC 6455 as a client needs that counts: masked frames out, whole frames in, no copies.

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An empty pong, the answer to an empty ping.
pub const PONG: [u8; 6] = [0x8a, 0x80, MASK[0], MASK[1], MASK[2], MASK[3]];

/// A text message as a client sends it, in one masked frame of less than 64 KiB (§5.2).
pub fn text(payload: &[u8]) -> Vec<u8> {
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    header(0x80, payload.len()).into_iter().chain(MASK).chain(masked).collect()
}

/// A text message as a server sends it.
pub fn prepared(payload: &[u8]) -> Vec<u8> {
    [&header(0, payload.len()), payload].concat()
}

fn header(mask_bit: u8, length: usize) -> Vec<u8> {
    match u16::try_from(length).expect("messages of the benchmark are below 64 KiB") {
        length @ ..126 => vec![0x81, mask_bit | length as u8],
        length => [&[0x81, mask_bit | 126][..], &length.to_be_bytes()].concat(),
    }
}

/// The payload of a frame of [`text`], and how many bytes the frame has; `None` until it is whole.
pub fn unmask(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (start, length) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let (mask, payload) = bytes.get(start..start + 4 + length)?.split_at(4);
    let plain = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((plain, start + 4 + length))
}

/// What came in a whole frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// The last or only frame of a message, with so many bytes.
    Message(usize),
    Ping,
    Other,
}

/// Finds the frames in what a server sends, and keeps nothing but a header.
#[derive(Default)]
pub struct Reader {
    header: [u8; 10],
    held: usize,
    /// Bytes of the payload that are still to come, once the header is whole.
    missing: Option<usize>,
    length: usize,
}

impl Reader {
    /// Takes in what was read and tells of every frame that is whole now.
    pub fn take(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Heard)) {
        while let Some(heard) = self.next(&mut bytes) {
            tell(heard);
        }
    }

    fn next(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        let missing = match self.missing {
            Some(missing) => missing,
            None => self.read_header(bytes)?,
        };
        let skipped = missing.min(bytes.len());
        *bytes = &bytes[skipped..];
        self.missing = Some(missing - skipped);
        (skipped == missing).then(|| self.end_frame())
    }

    /// The length of the payload, once the header is whole.
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

    fn end_frame(&mut self) -> Heard {
        self.missing = None;
        self.held = 0;
        match (self.header[0] & 0x80 != 0, self.header[0] & 0x0f) {
            (true, 0..=2) => Heard::Message(self.length),
            (_, 9) => Heard::Ping,
            _ => Heard::Other,
        }
    }
}
