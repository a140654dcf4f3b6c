//! The identifiers that several modules use.

use serde::{Deserialize, Serialize, Serializer};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU64,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// One connection of this process; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(NonZeroU64);

impl ConnectionId {
    /// Returns the next unused id; the first is 1.
    ///
    /// # Panics
    /// After 2^64 - 1 ids, which no process lives to see.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("no process lives so long"))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A speaker as others see it: the same after a resume, unique over processes and restarts. Opaque
/// text of 13 characters on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpeakerId(u64);

/// Digits of base 32 without letters that resemble digits (Crockford).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl SpeakerId {
    /// Characters of the text form: five bits each.
    const LENGTH: usize = 13;

    /// Bytes in a JSON list: the text, two quotes and a comma.
    pub const JSON_LENGTH: usize = Self::LENGTH + 3;

    /// The next unused id. Each process counts from a random number of 64 bits, so that two
    /// processes meet by a chance of about one in 10^12 for a million speakers of each.
    pub fn next() -> Self {
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(fastrand::u64(..)));
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the id with this number, as [`SpeakerId::to_u64`] gave it.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub fn to_u64(self) -> u64 {
        self.0
    }
}

/// The text is not the form of a [`SpeakerId`].
#[derive(Debug, PartialEq)]
pub struct SpeakerIdError;

impl FromStr for SpeakerId {
    type Err = SpeakerIdError;

    /// Accepts exactly what [`fmt::Display`] writes: each id has one text.
    fn from_str(text: &str) -> Result<Self, SpeakerIdError> {
        let digit = |byte| DIGITS.iter().position(|digit| *digit == byte).ok_or(SpeakerIdError);
        if text.len() != Self::LENGTH {
            return Err(SpeakerIdError);
        }
        let id = text.bytes().try_fold(0_u128, |id, byte| Ok(id << 5 | digit(byte)? as u128))?;
        u64::try_from(id).map(Self).map_err(|_| SpeakerIdError)
    }
}

impl fmt::Display for SpeakerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: [u8; Self::LENGTH] =
            std::array::from_fn(|at| DIGITS[(self.0 >> (5 * (Self::LENGTH - 1 - at)) & 31) as usize]);
        f.write_str(str::from_utf8(&digits).expect("digits are ASCII"))
    }
}

impl Serialize for SpeakerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The identifier of the relay of one worker thread, counted from 0 in the order of their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u32);

/// The index of a room in the lists of the hub and of the relays: dense, and reused after the room
/// has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomSlot(pub u32);

impl RoomSlot {
    /// Returns the index in the lists of the hub and of the relays.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The name that a client gives to a request, to recognize the answer: text of at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Reference(String);

impl Reference {
    const MAX: usize = 64;

    /// Returns it as JSON.
    pub fn to_json(&self) -> Option<Box<serde_json::value::RawValue>> {
        serde_json::value::to_raw_value(self).ok()
    }
}

impl TryFrom<String> for Reference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.len() {
            0..=Self::MAX => Ok(Self(text)),
            length => Err(format!("a ref has at most {} bytes, this one has {length}", Self::MAX)),
        }
    }
}

/// Returns the address that stands for all addresses that one client can easily have: the /64 of an
/// IPv6 address, since a home gets 2^64 addresses or more (RFC 6177); and an IPv4 address itself,
/// also in its forms for IPv6 listeners (RFC 4291 §2.5.5.2, RFC 6052 §2.1).
pub fn network_of(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(ip) = ip else { return ip };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
        }
        [a, b, c, d, ..] => [a, b, c, d, 0, 0, 0, 0].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_id_is_read_as_it_is_written_and_in_no_other_form() {
        for id in [0, 1, 31, 32, u64::MAX, fastrand::u64(..)] {
            let text = SpeakerId(id).to_string();
            assert_eq!((text.len(), text.parse()), (13, Ok(SpeakerId(id))), "{text}");
        }
        for text in [
            "",
            "0",
            "00000000000000",
            "g000000000000",
            "zzzzzzzzzzzzz",
            "000000000000A",
            "000000000000u",
            "é00000000000",
        ] {
            assert_eq!(text.parse::<SpeakerId>(), Err(SpeakerIdError), "{text}");
        }
    }

    #[test]
    fn ids_of_one_process_differ() {
        assert_ne!(SpeakerId::next(), SpeakerId::next());
        assert_ne!(ConnectionId::next(), ConnectionId::next());
    }
}
