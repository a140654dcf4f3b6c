//! Messages that say whose they are.

use super::Utterance;
use bytes::Bytes;
use std::{fmt, sync::OnceLock};

/// One connection of one client; none comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// Where, by whom, and as which of its messages something was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    pub room: RoomId,
    pub speaker: ClientId,
    pub number: u32,
}

impl Label {
    /// The label and filler up to about `length` bytes, which compress well in some messages and not in others.
    pub fn utterance(self, length: usize, binary: bool) -> Utterance {
        let mut payload = format!("{}.{}.{} ", self.room.0, self.speaker.0, self.number).into_bytes();
        let missing = length.saturating_sub(payload.len());
        let from = self.number as usize % (1 << 10) * 32;
        payload.extend_from_slice(match self.number % 2 {
            0 => &noise()[from..from + missing],
            _ => &chatter()[..missing / PHRASE.len() * PHRASE.len()],
        });
        Utterance { binary, payload: payload.into() }
    }

    /// The label of a message that anybody heard.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let end = payload.iter().take(40).position(|byte| *byte == b' ')?;
        let mut numbers = str::from_utf8(&payload[..end]).ok()?.split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { room: RoomId(next()?), speaker: ClientId(next()?), number: next()? })
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
        write!(f, "message {} of {} in {}", self.number, self.speaker, self.room)
    }
}

impl fmt::Display for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Label::read(&self.payload) {
            Some(label) => label.fmt(f)?,
            None => write!(f, "{:?}", String::from_utf8_lossy(&self.payload[..self.payload.len().min(40)]))?,
        }
        write!(f, " ({} bytes, {})", self.payload.len(), if self.binary { "binary" } else { "text" })
    }
}
