//! The other side of the wire: messages as clients send them, whole or in fragments, plain or
//! compressed.

use flate2::{Compress, Compression, FlushCompress};
use proptest::{collection::vec, prelude::*, sample::Index};
pub use testing::{hex, masked_frame as frame};
use worldcast::wire::{Message, Payload};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const PING: u8 = 9;

/// One message and how it travels.
#[derive(Clone, Debug)]
pub struct Sent {
    pub payload: Payload,
    pub compressed: bool,
    /// Offsets at which it is cut into fragments.
    pub cuts: Vec<Index>,
    /// A ping after the first fragment.
    pub ping: Option<Vec<u8>>,
    pub mask: [u8; 4],
}

impl Sent {
    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let payload = self.payload.as_bytes();
        let payload = if self.compressed { deflated(payload) } else { payload.to_vec() };
        let fragments = cut(&payload, &self.cuts);
        let last = fragments.len() - 1;
        let frames = fragments.iter().enumerate().map(|(at, fragment)| {
            let fin = if at == last { FIN } else { 0 };
            let start = if at == 0 { self.opcode() } else { 0 };
            let ping = self.ping.iter().filter(|_| at == 0 && last > 0);
            let ping = ping.flat_map(|ping| frame(FIN | PING, self.mask, ping));
            frame(fin | start, self.mask, fragment).into_iter().chain(ping).collect::<Vec<u8>>()
        });
        frames.flatten().collect()
    }

    /// The bytes that a server receives.
    pub fn received(&self) -> Vec<Message> {
        let ping = self.ping.iter().filter(|_| !self.cuts.is_empty());
        let ping = ping.map(|ping| Message::Ping(ping.clone().into()));
        ping.chain([message(&self.payload)]).collect()
    }

    fn opcode(&self) -> u8 {
        let opcode = if matches!(self.payload, Payload::Text(_)) { 1 } else { 2 };
        if self.compressed { RSV1 | opcode } else { opcode }
    }
}

pub fn message(payload: &Payload) -> Message {
    match payload.clone() {
        Payload::Text(text) => Message::Text(text),
        Payload::Binary(bytes) => Message::Binary(bytes),
    }
}

/// Any message of up to some 3000 bytes, sent in any way.
pub fn sent() -> impl Strategy<Value = Sent> {
    let ping = proptest::option::of(vec(any::<u8>(), 0..=125));
    (payload(), any::<bool>(), vec(any::<Index>(), 0..4), ping, any::<[u8; 4]>())
        .prop_map(|(payload, compressed, cuts, ping, mask)| Sent { payload, compressed, cuts, ping, mask })
}

/// Text and bytes, some of which can be compressed.
pub fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        ("\\PC{0,200}", 0..6usize).prop_map(|(text, times)| Payload::Text(text.repeat(times).into())),
        (vec(any::<u8>(), 0..500), 0..6usize)
            .prop_map(|(bytes, times)| Payload::Binary(bytes.repeat(times).into())),
    ]
}

/// `bytes` in as many pieces as there are cuts and one.
pub fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect()
}

/// Compressed as in RFC 7692 §7.2.1.
fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(2 * plain.len() + 100);
    let mut stream = Compress::new(Compression::fast(), false);
    stream.compress_vec(plain, &mut deflated, FlushCompress::Sync).unwrap();
    assert_eq!(deflated.split_off(deflated.len() - 4), [0x00, 0x00, 0xff, 0xff]);
    deflated
}
