//! What holds in one room: the settings for every room, and what is said otherwise for some.

use super::{
    ByteSize, HistorySettings, RoomName, Settings,
    values::{duration, text::FromText},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// `[[rooms.override]]`: what holds in the rooms whose names match; what is left out stays as it is elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOverride {
    #[serde(rename = "match")]
    pub pattern: Pattern,
    /// Instead of `publish.anyone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anyone: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    #[serde(default, skip_serializing_if = "HistoryOverride::is_empty")]
    pub history: HistoryOverride,
    /// Clients that may be in the room at once; more are sent away with 1013. 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
    /// Instead of `session.max_message`, and at most that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// Instead of `session.messages_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
}

/// What is said otherwise about `[history]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub age: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteSize>,
}

impl HistoryOverride {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The name of a room in which `*` stands for anything, also for nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    pub fn matches(&self, name: &RoomName) -> bool {
        matches(self.0.as_bytes(), name.as_str().as_bytes())
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| matches(rest, &name[taken..])),
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

/// What holds in one room.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveRoom {
    /// Whether everybody may publish, or only who has a key.
    pub anyone: bool,
    pub greeting: String,
    pub echo: bool,
    pub presence: bool,
    pub history: HistorySettings,
    /// Clients that may be in the room at once; 0 is no limit.
    pub clients: usize,
    pub max_message: ByteSize,
    pub messages_per_second: u32,
}

impl Settings {
    /// What holds in `room`: of several overrides that match, each goes over those before it.
    pub fn room(&self, room: &RoomName) -> EffectiveRoom {
        let matching = self.rooms.overrides.iter().filter(|other| other.pattern.matches(room));
        matching.fold(self.effective(), EffectiveRoom::overridden)
    }

    /// What holds where nothing else is said.
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

    /// What holds in at least one room.
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
    fn a_star_stands_for_anything() {
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
    fn what_an_override_leaves_out_stays_as_it_is() {
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
    fn an_override_must_say_for_which_rooms_it_is() {
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
