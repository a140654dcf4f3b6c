//! Positions in the order of a room.

use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The identifier of one history of a room. It is random, so that offsets of an earlier history
/// with the same name are not mistaken for offsets of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// Returns a random epoch, which is never 0.
    pub fn begin() -> Self {
        Self(fastrand::u64(1..))
    }

    /// Returns the epoch with this number, as [`Epoch::to_u64`] gave it; `None` for 0.
    pub fn from_u64(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// Returns the number.
    pub fn to_u64(self) -> u64 {
        self.0
    }
}

/// The number of a message in its room and epoch, from 1; 0 is the position before the first
/// message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Offset(u64);

impl Offset {
    /// Returns the offset with this number, as [`Offset::to_u64`] gave it.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// Returns the offset of the next message.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the offset that is `messages` earlier, but not less than 0.
    pub fn back(self, messages: usize) -> Self {
        Self(self.0.saturating_sub(messages as u64))
    }

    /// Returns the number of messages after `earlier` up to this offset; `None` if `earlier` is the
    /// later one.
    pub fn since(self, earlier: Self) -> Option<usize> {
        self.0.checked_sub(earlier.0).and_then(|messages| messages.try_into().ok())
    }
}

/// The position after one message of a room; written `<epoch>-<offset>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The history that the offset belongs to.
    pub epoch: Epoch,
    /// The number of the last message before the position.
    pub offset: Offset,
}

impl Position {
    /// A position in no room, since no history has the epoch 0. It stands for an id that another
    /// server issued.
    pub const FOREIGN: Self = Self { epoch: Epoch(0), offset: Offset(0) };
}

/// The error for a text that is no position.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a position is <epoch>-<offset>: 16 hexadecimal digits, a hyphen, a number")]
pub struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, offset) = text.split_once('-').ok_or(PositionError)?;
        if epoch.len() != 16 || !epoch.bytes().chain(offset.bytes()).all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PositionError); // `parse` would accept a sign
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| PositionError)?;
        let offset = offset.parse().map_err(|_| PositionError)?;
        Ok(Self { epoch: Epoch(epoch), offset: Offset(offset) })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Serializes as text: JSON readers lose precision in numbers of 64 bits.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_position_is_read_back() {
        let position = Position { epoch: Epoch(0xab), offset: Offset(7) };
        assert_eq!(position.to_string(), "00000000000000ab-7");
        assert_eq!("00000000000000ab-7".parse(), Ok(position));
    }

    #[test]
    fn a_text_that_is_no_position_is_refused() {
        for text in [
            "",
            "-",
            "ab-7",
            "00000000000000ab",
            "00000000000000ab-",
            "00000000000000ab-+7",
            "+0000000000000ab-7",
            "00000000000000ab-99999999999999999999",
            "00000000000000ab-a",
        ] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }
}
