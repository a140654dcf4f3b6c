//! The policy of one room: the settings for every room, with the overrides for some.

use super::{
    ByteSize, HistorySettings, RoomName, Settings,
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

/// The settings that hold in one room, overrides applied.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveRoom {
    /// True if everyone may publish, false if only clients with a key may.
    pub anyone: bool,
    /// The text frame that a client receives first; empty for none.
    pub greeting: String,
    /// True if publishers receive their own messages by default.
    pub echo: bool,
    /// True if clients of worldcast.v1 receive joins, leaves and the list of members.
    pub presence: bool,
    /// The bounds of the history.
    pub history: HistorySettings,
    /// Clients that may be in the room at once, inclusive; 0 is no limit.
    pub clients: usize,
    /// The largest message, inclusive.
    pub max_message: ByteSize,
    /// Messages per second that are read from one client; 0 is no limit.
    pub messages_per_second: u32,
}

impl Settings {
    /// Returns the settings that hold in `room`. Of several overrides that match, later ones
    /// replace earlier ones.
    pub fn room(&self, room: &RoomName) -> EffectiveRoom {
        let matching = self.rooms.overrides.iter().filter(|other| other.pattern.matches(room));
        matching.fold(self.effective(), EffectiveRoom::overridden)
    }

    /// Returns the settings of a room without overrides.
    fn effective(&self) -> EffectiveRoom {
        EffectiveRoom {
            anyone: self.publish.anyone,
            greeting: self.rooms.greeting.clone(),
            echo: self.rooms.echo,
            presence: self.rooms.presence,
            history: self.history.clone(),
            clients: 0,
            max_message: self.session.max_message,
            messages_per_second: self.session.messages_per_second,
        }
    }

    /// Returns the settings without overrides, and those with each override alone.
    pub fn all_rooms(&self) -> impl Iterator<Item = EffectiveRoom> + '_ {
        let overridden = self.rooms.overrides.iter().map(|other| self.effective().overridden(other));
        overridden.chain([self.effective()])
    }
}

impl EffectiveRoom {
    fn overridden(self, other: &RoomOverride) -> Self {
        Self {
            anyone: other.anyone.unwrap_or(self.anyone),
            greeting: other.greeting.clone().unwrap_or(self.greeting),
            echo: other.echo.unwrap_or(self.echo),
            presence: other.presence.unwrap_or(self.presence),
            history: HistorySettings {
                messages: other.history.messages.unwrap_or(self.history.messages),
                age: other.history.age.unwrap_or(self.history.age),
                bytes: other.history.bytes.unwrap_or(self.history.bytes),
            },
            clients: other.clients.unwrap_or(self.clients),
            max_message: other.max_message.unwrap_or(self.max_message),
            messages_per_second: other.messages_per_second.unwrap_or(self.messages_per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(overrides: &str, room: &str) -> EffectiveRoom {
        let settings: Settings = toml::from_str(overrides).unwrap();
        settings.room(&room.parse().unwrap())
    }

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
    fn a_key_that_an_override_omits_keeps_its_value() {
        let overrides = r#"
            [history]
            age = "1m"
            [[rooms.override]]
            match = "news.*"
            anyone = false
            history = { messages = 7 }
            [[rooms.override]]
            match = "news.sport"
            greeting = "goal"
            anyone = true
        "#;
        let (news, sport) = (effective(overrides, "news.world"), effective(overrides, "news.sport"));
        assert_eq!((news.anyone, news.greeting.as_str(), news.echo), (false, "world", true));
        assert_eq!((news.history.messages, news.history.age), (7, Duration::from_secs(60)));
        assert_eq!((sport.anyone, sport.greeting.as_str(), sport.history.messages), (true, "goal", 7));
        assert_eq!(effective(overrides, "other").history.messages, 256);
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
