//! The name of a room, validated when it is parsed.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// The longest name of a room, in bytes, inclusive.
pub const MAX_ROOM_NAME: usize = 128;

/// The name of a room: 1 to 128 bytes of ASCII letters, digits and `._~:@-`, but neither `.` nor
/// `..`, which URL parsers remove from a path. A clone shares the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomName(Arc<str>);

/// The rule that a name breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RoomNameError {
    /// The name is empty.
    #[error("the name of a room must not be empty")]
    Empty,
    /// The name is `.` or `..`.
    #[error("the name of a room must not be . or .., which no URL keeps")]
    Dots,
    /// The name has this many bytes.
    #[error("the name of a room has at most {MAX_ROOM_NAME} bytes, this one has {0}")]
    TooLong(usize),
    /// The name contains this character.
    #[error("the name of a room consists of letters, digits and ._~:@- only, not {0:?}")]
    Character(char),
}

impl RoomName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = RoomNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._~:@-".contains(c);
        match name.len() {
            0 => return Err(RoomNameError::Empty),
            1..=MAX_ROOM_NAME => {}
            length => return Err(RoomNameError::TooLong(length)),
        }
        match name.chars().find(|c| !allowed(*c)) {
            Some(c) => Err(RoomNameError::Character(c)),
            None if [".", ".."].contains(&name) => Err(RoomNameError::Dots),
            None => Ok(Self(name.into())),
        }
    }
}

impl TryFrom<String> for RoomName {
    type Error = RoomNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_128_bytes() {
        assert_eq!("".parse::<RoomName>(), Err(RoomNameError::Empty));
        assert!("x".repeat(128).parse::<RoomName>().is_ok());
        assert_eq!("x".repeat(129).parse::<RoomName>(), Err(RoomNameError::TooLong(129)));
    }

    #[test]
    fn a_name_is_no_dot_segment_of_a_path() {
        assert_eq!(
            [".", ".."].map(str::parse::<RoomName>),
            [Err(RoomNameError::Dots), Err(RoomNameError::Dots)]
        );
        assert!(["...", ".a", "a."].iter().all(|name| name.parse::<RoomName>().is_ok()));
    }

    #[test]
    fn a_name_has_only_characters_that_need_no_escape() {
        assert!("Az09._~:@-".parse::<RoomName>().is_ok());
        for (name, culprit) in [("a/b", '/'), ("a b", ' '), ("ä", 'ä'), ("a\n", '\n'), ("50%", '%')] {
            assert_eq!(name.parse::<RoomName>(), Err(RoomNameError::Character(culprit)));
        }
    }
}
