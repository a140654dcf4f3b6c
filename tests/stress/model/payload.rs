//! Payloads that name their publisher.

use super::Message;
use bytes::Bytes;
use std::{fmt, sync::OnceLock};

/// One connection of one client; no id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// The room, the publisher and the number of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    pub room: RoomId,
    pub publisher: ClientId,
    pub number: u32,
}

impl Label {
    /// The label and filler up to about `length` bytes, which compress well in some messages and
    /// not in others.
    pub fn message(self, length: usize, binary: bool) -> Message {
        let mut payload = format!("{}.{}.{} ", self.room.0, self.publisher.0, self.number).into_bytes();
        let missing = length.saturating_sub(payload.len());
        let from = self.number as usize % (1 << 10) * 32;
        payload.extend_from_slice(match self.number % 2 {
            0 => &noise()[from..from + missing],
            _ => &chatter()[..missing / PHRASE.len() * PHRASE.len()],
        });
        Message { binary, payload: payload.into() }
    }

    /// Reads the label of a received message.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let end = payload.iter().take(40).position(|byte| *byte == b' ')?;
        let mut numbers = str::from_utf8(&payload[..end]).ok()?.split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { room: RoomId(next()?), publisher: ClientId(next()?), number: next()? })
    }
}

const PHRASE: &str = "grüß dich 🌍 ";

/// The same again and again.
fn chatter() -> &'static [u8] {
    static CHATTER: OnceLock<String> = OnceLock::new();
    CHATTER.get_or_init(|| PHRASE.repeat(4 << 10)).as_bytes()
}

/// Letters without a pattern: the largest message from any start.
fn noise() -> &'static Bytes {
    static NOISE: OnceLock<Bytes> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut rng = fastrand::Rng::with_seed(6455);
        (0..128 << 10).map(|_| rng.alphanumeric() as u8).collect()
    })
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room-{}", self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of {} in {}", self.number, self.publisher, self.room)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Label::read(&self.payload) {
            Some(label) => label.fmt(f)?,
            None => write!(f, "{:?}", String::from_utf8_lossy(&self.payload[..self.payload.len().min(40)]))?,
        }
        write!(f, " ({} bytes, {})", self.payload.len(), if self.binary { "binary" } else { "text" })
    }
}
