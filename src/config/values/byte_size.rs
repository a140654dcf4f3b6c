//! A number of bytes that operators write as `64KiB`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A number of bytes. It is written `512`, `512B`, `64KiB`, `1MiB` or `2GiB` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

/// The units and their bytes, largest first: a value is shown in the largest unit that divides it.
const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The largest size, inclusive: more memory than a machine has, and small enough that sums of sizes
/// do not overflow.
const MAX: usize = usize::MAX >> 4;

const EXPECTED: &str = "a number of bytes such as 512, \"64KiB\", \"1MiB\" or \"2GiB\"";

impl ByteSize {
    /// Creates a size of `bytes`.
    pub const fn from_bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Creates a size of `kib` times 1024 bytes.
    pub const fn from_kib(kib: usize) -> Self {
        Self(kib << 10)
    }

    /// Creates a size of `mib` times 1024² bytes.
    pub const fn from_mib(mib: usize) -> Self {
        Self(mib << 20)
    }

    /// Returns the number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

/// The error for a text that is no size, or one of 2^60 bytes or more.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct ByteSizeError;

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let number: usize = number.parse().map_err(|_| ByteSizeError)?;
        let unit = match unit.trim() {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or(ByteSizeError)?.1,
        };
        number.checked_mul(unit).filter(|bytes| *bytes <= MAX).map(Self).ok_or(ByteSizeError)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS
            .iter()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
            .unwrap_or(&UNITS[3]);
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                self.visit_str(&bytes.to_string())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_as_it_is_written() {
        for text in ["0B", "1B", "1000B", "64KiB", "1MiB", "2GiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert_eq!("512".parse(), Ok(ByteSize::from_bytes(512)));
    }

    #[test]
    fn a_text_that_is_no_size_is_refused() {
        for text in
            ["", "KiB", "-1", "1.5MiB", "64kb", "99999999999999999999", "99999999999GiB", "1073741824GiB"]
        {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError), "{text}");
        }
    }
}
