//! The policy of each room: the settings for all rooms, with the overrides for some.

use crate::{
    config::{
        HistoryOverride, HistorySettings, PublishSettings, RoomName, RoomOverride, RoomSettings,
        SessionSettings,
    },
    history::HistoryLimits,
    room::RoomPolicy,
    wire::{self, Payload},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// The policies of all rooms.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomPolicies {
    /// The room of the addresses without a room name.
    pub default: RoomName,
    /// The time over which joins and leaves are collected; 0 announces each at once.
    pub gather_presence: Duration,
    /// The time in which a room with a lagging subscriber accepts an eighth of an outbox; 0 is no
    /// limit.
    pub patience: Duration,
    /// The policy of a room without overrides.
    usual: Arc<RoomPolicy>,
    overrides: Vec<RoomOverride>,
}

impl RoomPolicies {
    pub(super) fn new(
        rooms: &RoomSettings,
        history: &HistorySettings,
        publish: &PublishSettings,
        session: &SessionSettings,
    ) -> Self {
        let RoomSettings { default, greeting, echo, presence, gather_presence, patience, overrides } = rooms;
        let HistorySettings { messages, age, bytes } = history;
        let usual = RoomPolicy {
            anyone: publish.anyone,
            greeting: frame(greeting),
            echo: *echo,
            presence: *presence,
            history: HistoryLimits { messages: *messages, age: *age, bytes: bytes.bytes() },
            clients: usize::MAX,
            max_message: session.max_message.bytes(),
            messages_per_second: session.messages_per_second,
        };
        Self {
            default: default.clone(),
            gather_presence: *gather_presence,
            patience: *patience,
            usual: Arc::new(usual),
            overrides: overrides.clone(),
        }
    }

    /// Returns the policy of `room`. Of several overrides that match, later ones replace earlier
    /// ones.
    pub fn of(&self, room: &RoomName) -> Arc<RoomPolicy> {
        let mut policy = self.usual.clone();
        for matching in self.overrides.iter().filter(|other| other.pattern.matches(room)) {
            policy = Arc::new(overridden(&policy, matching));
        }
        policy
    }

    /// Returns the policy of a room without overrides, and those with each override alone.
    pub fn each(&self) -> impl Iterator<Item = Arc<RoomPolicy>> {
        let overridden = self.overrides.iter().map(|other| Arc::new(overridden(&self.usual, other)));
        overridden.chain([self.usual.clone()])
    }
}

fn overridden(usual: &RoomPolicy, other: &RoomOverride) -> RoomPolicy {
    let RoomOverride {
        pattern: _,
        anyone,
        greeting,
        echo,
        presence,
        history: HistoryOverride { messages, age, bytes },
        clients,
        max_message,
        messages_per_second,
    } = other;
    RoomPolicy {
        anyone: anyone.unwrap_or(usual.anyone),
        greeting: greeting.as_ref().map_or(usual.greeting.clone(), |text| frame(text)),
        echo: echo.unwrap_or(usual.echo),
        presence: presence.unwrap_or(usual.presence),
        history: HistoryLimits {
            messages: messages.unwrap_or(usual.history.messages),
            age: age.unwrap_or(usual.history.age),
            bytes: bytes.map_or(usual.history.bytes, |bytes| bytes.bytes()),
        },
        clients: clients.map_or(usual.clients, |clients| if clients == 0 { usize::MAX } else { clients }),
        max_message: max_message.map_or(usual.max_message, |bytes| bytes.bytes()),
        messages_per_second: messages_per_second.unwrap_or(usual.messages_per_second),
    }
}

/// Returns the frame of a greeting; `None` for an empty one.
fn frame(greeting: &str) -> Option<Bytes> {
    (!greeting.is_empty()).then(|| wire::plain(&Payload::Text(greeting.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn policies(settings: &str) -> RoomPolicies {
        Policy::new(&toml::from_str(settings).unwrap()).rooms
    }

    #[test]
    fn a_key_that_an_override_omits_keeps_its_value() {
        let policies = policies(
            r#"
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
            clients = 3
        "#,
        );
        let of = |room: &str| policies.of(&room.parse().unwrap());
        let (news, sport, other) = (of("news.world"), of("news.sport"), of("other"));
        assert_eq!((news.anyone, news.greeting.clone(), news.echo), (false, frame("world"), true));
        assert_eq!((news.history.messages, news.history.age), (7, Duration::from_secs(60)));
        assert_eq!((sport.anyone, sport.greeting.clone(), sport.history.messages), (true, frame("goal"), 7));
        assert_eq!((news.clients, sport.clients), (usize::MAX, 3));
        assert_eq!(other.history.messages, 256);
        assert!(Arc::ptr_eq(&other, &policies.usual), "no memory of its own");
    }

    #[test]
    fn an_override_can_take_the_greeting_and_the_bound_of_clients_away() {
        let policies = policies("[[rooms.override]]\nmatch = \"*\"\ngreeting = \"\"\nclients = 0");
        let policy = policies.of(&"news".parse().unwrap());
        assert_eq!((policy.greeting.clone(), policy.clients), (None, usize::MAX));
    }
}
