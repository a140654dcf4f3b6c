//! Where in the order of a room something stands.

use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// One life of a room's memory: random, so that offsets of another life are never taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    pub fn begin() -> Self {
        Self(fastrand::u64(1..))
    }
}

/// The number of a message in its room and epoch, from 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Offset(u64);

impl Offset {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// So many messages earlier; at most the beginning.
    pub fn back(self, messages: usize) -> Self {
        Self(self.0.saturating_sub(messages as u64))
    }

    /// How many messages came after `earlier`; `None` if this was the earlier one.
    pub fn since(self, earlier: Self) -> Option<usize> {
        self.0.checked_sub(earlier.0).and_then(|messages| messages.try_into().ok())
    }
}

/// Behind one message of a room; written `<epoch>-<offset>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    pub epoch: Epoch,
    pub offset: Offset,
}

impl Position {
    /// A position in no room: the epoch 0 never begins. It stands for an id that somebody else made.
    pub const FOREIGN: Self = Self { epoch: Epoch(0), offset: Offset(0) };
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a position is <epoch>-<offset>: 16 hexadecimal digits, a hyphen, a number")]
pub struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, offset) = text.split_once('-').ok_or(PositionError)?;
        if epoch.len() != 16 || !epoch.bytes().chain(offset.bytes()).all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PositionError); // a sign, which numbers may have elsewhere
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

/// As text: numbers of 64 bits are not safe in JSON.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position { epoch: Epoch(0xab), offset: Offset(7) };
        assert_eq!(position.to_string(), "00000000000000ab-7");
        assert_eq!("00000000000000ab-7".parse(), Ok(position));
    }

    #[test]
    fn what_is_no_position_is_refused() {
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
