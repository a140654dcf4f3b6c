//! `[[rooms.override]]`: settings for some rooms, as an operator writes them.

use super::{
    ByteSize, RoomName,
    values::{duration, text::FromText},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// `[[rooms.override]]`: settings for the rooms whose names match. A key that is `None` keeps the
/// value that holds in every room.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOverride {
    /// The names of the rooms.
    #[serde(rename = "match")]
    pub pattern: Pattern,
    /// Replaces `publish.anyone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anyone: Option<bool>,
    /// Replaces `rooms.greeting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    /// Replaces `rooms.echo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// Replaces `rooms.presence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    /// Replaces keys of `[history]`.
    #[serde(default, skip_serializing_if = "HistoryOverride::is_empty")]
    pub history: HistoryOverride,
    /// Clients that may be in the room at once, inclusive; further ones are closed with 1013
    /// `room_full`. 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
    /// Replaces `session.max_message`, which it must not exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// Replaces `session.messages_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
}

/// The keys of `[history]` that an override replaces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryOverride {
    /// Replaces `history.messages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<usize>,
    /// Replaces `history.age`.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub age: Option<Duration>,
    /// Replaces `history.bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteSize>,
}

impl HistoryOverride {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A room name in which one `*` matches any text, also an empty one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Returns true if the room `name` matches.
    pub fn matches(&self, name: &RoomName) -> bool {
        matches(self.0.as_bytes(), name.as_str().as_bytes())
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|matched| matches(rest, &name[matched..])),
        ([expected, pattern @ ..], [found, name @ ..]) => expected == found && matches(pattern, name),
        (pattern, name) => pattern.is_empty() && name.is_empty(),
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: "the name of a room, in which one * may stand for anything",
            parse: |text| {
                let name: Result<RoomName, _> = text.replacen('*', "x", 1).parse();
                name.is_ok().then(|| Pattern(text.to_owned()))
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, name, expected) in [
            ("news", "news", true),
            ("news", "news.sport", false),
            ("news.*", "news.sport", true),
            ("news.*", "news.", true),
            ("news.*", "news", false),
            ("*", "anything", true),
            ("*.private", "a.b.private", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
        ] {
            let pattern = Pattern(pattern.to_owned());
            assert_eq!(pattern.matches(&name.parse().unwrap()), expected, "{pattern:?} {name}");
        }
    }

    #[test]
    fn an_override_must_name_its_rooms_and_known_keys() {
        for refused in
            ["echo = true", "match = \"a/b\"", "match = \"\"", "match = \"**\"", "match = \"a\"\nexho = true"]
        {
            assert!(
                toml::from_str::<Settings>(&format!("[[rooms.override]]\n{refused}")).is_err(),
                "{refused}"
            );
        }
    }
}
