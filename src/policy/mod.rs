//! The policy: the settings as they are used, as far as they can change while sessions stay.
//!
//! [`Settings`] are what an operator writes. A server reads them in [`Policy::new`] and
//! [`Startup::new`] only: a policy can be replaced in [`Shared`](crate::shared::Shared) while the
//! server runs, a [`Startup`] holds from the start of the server to its end. Both take the settings
//! apart key by key, so a new key does not compile until it belongs to one of them.
//!
//! No command replaces the policy yet. The hub, the relays, the backlog, the listeners and the log
//! copy their part at construction: a new policy would have to be sent to them.
//!
//! A request, a handshake and a timer load the policy when they need it, and a session keeps what
//! it took at its beginning.

mod startup; // settings that only a start can set
mod rooms; // the policy of each room
mod origins; // web pages and host names
mod api_keys; // keys of publishers

pub use api_keys::ApiKeys;
pub use origins::Origins;
pub use rooms::RoomPolicies;
pub use startup::Startup;

use crate::{
    backplane::IdempotencyBounds,
    config::{
        CompressionSettings, LimitSettings, LogSettings, PublishSettings, SessionSettings, Settings,
        ShutdownSettings,
    },
    connection::Deadlines,
    limits::{ConnectionBounds, QueueLimits},
    wire::Compression,
};
use log::LevelFilter;
use std::time::Duration;

/// The settings as they are used, as far as they can change while sessions stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The keys of publishers.
    pub keys: ApiKeys,
    /// The web pages that may connect, and the host names that the server accepts.
    pub origins: Origins,
    /// The policy of each room.
    pub rooms: RoomPolicies,
    /// The bounds of the idempotency keys that are kept.
    pub idempotency: IdempotencyBounds,
    /// The limits of one client.
    pub session: SessionPolicy,
    /// The limits of all clients together.
    pub limits: LimitPolicy,
    /// True if compression is negotiated with clients that offer it.
    pub compresses: bool,
    /// The compression of messages to clients that have negotiated it.
    pub compression: Compression,
    /// The time over which sessions are closed when the server stops.
    pub drain: Duration,
    /// The log.
    pub log: LogPolicy,
}

/// The limits of one client; those that differ from room to room are in
/// [`RoomPolicy`](crate::room::RoomPolicy).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionPolicy {
    /// The bounds of the outbox.
    pub outbox: QueueLimits,
    /// The kernel's send buffer in bytes; 0 leaves it to the kernel. Listeners pass it on to the
    /// sockets that they accept.
    pub send_buffer: usize,
    /// The deadlines of a session.
    pub deadlines: Deadlines,
    /// The longest time for the head of a request to arrive.
    pub handshake_within: Duration,
    /// The largest head of a request in bytes, inclusive.
    pub max_head: usize,
    /// Bytes per second at which a client must receive a response; 0 is no limit.
    pub min_response_rate: usize,
    /// Bytes per second that are read from one client; 0 is no limit.
    pub bytes_per_second: usize,
    /// The time whose messages and bytes may be read at once.
    pub burst: Duration,
}

/// The limits of all clients together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitPolicy {
    /// The bounds of open sessions.
    pub connections: ConnectionBounds,
    /// Rooms that may exist at once, inclusive.
    pub rooms: usize,
    /// Bytes in all outboxes together, inclusive.
    pub outbox_bytes_total: usize,
    /// Bytes in the histories of all rooms together, inclusive.
    pub history_bytes_total: usize,
    /// Bytes of encoded histories that each worker thread caches, inclusive.
    pub history_cache_bytes: usize,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogPolicy {
    /// The least severe level that is written.
    pub level: LevelFilter,
    /// True if the messages of clients are logged.
    pub messages: bool,
    /// Lines per second that clients may cause; 0 is no limit.
    pub lines_per_second: u32,
}

impl Policy {
    /// The policy that `settings` describe.
    pub fn new(settings: &Settings) -> Self {
        let Settings {
            listen: _,  // see `Startup`
            workers: _, // see `Startup`
            page: _,    // see `Startup`
            rooms,
            history,
            publish,
            session,
            limits,
            origins,
            compression,
            backplane: _, // see `Startup`
            shutdown,
            log,
            admin: _, // see `Startup`
        } = settings;
        let PublishSettings { anyone: _, keys, idempotency_keys, idempotency_window } = publish; // `anyone`: see `RoomPolicies`
        let CompressionSettings { enabled, level, threshold } = compression;
        let ShutdownSettings { drain } = shutdown;
        Self {
            keys: ApiKeys::new(keys),
            origins: Origins::new(origins),
            rooms: RoomPolicies::new(rooms, history, publish, session),
            idempotency: IdempotencyBounds { keys: *idempotency_keys, window: *idempotency_window },
            session: SessionPolicy::new(session),
            limits: LimitPolicy::new(limits),
            compresses: *enabled,
            compression: Compression { level: *level, threshold: threshold.bytes() },
            drain: *drain,
            log: LogPolicy::new(log),
        }
    }
}

impl Default for Policy {
    /// The policy of a server without a configuration.
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl SessionPolicy {
    fn new(settings: &SessionSettings) -> Self {
        let SessionSettings {
            max_message: _, // see `RoomPolicies`
            outbox_bytes,
            outbox_messages,
            send_buffer,
            ping_after,
            pong_within,
            stalled_write,
            close_within,
            handshake_within,
            max_head,
            min_response_rate,
            messages_per_second: _, // see `RoomPolicies`
            bytes_per_second,
            burst,
            secret: _, // see `Startup`
        } = settings;
        Self {
            outbox: QueueLimits { bytes: outbox_bytes.bytes(), messages: *outbox_messages },
            send_buffer: send_buffer.bytes(),
            deadlines: Deadlines {
                ping_after: *ping_after,
                pong_within: *pong_within,
                stalled_write: *stalled_write,
                close_within: *close_within,
            },
            handshake_within: *handshake_within,
            max_head: max_head.bytes(),
            min_response_rate: min_response_rate.bytes(),
            bytes_per_second: bytes_per_second.bytes(),
            burst: *burst,
        }
    }
}

impl LimitPolicy {
    fn new(settings: &LimitSettings) -> Self {
        let LimitSettings {
            connections,
            connections_per_ip,
            connections_per_second,
            rooms,
            in_flight_bytes: _, // see `Startup`
            body_bytes: _,      // see `Startup`
            answer_bytes: _,    // see `Startup`
            outbox_bytes_total,
            history_bytes_total,
            history_cache_bytes,
        } = settings;
        Self {
            connections: ConnectionBounds {
                all: *connections,
                per_ip: *connections_per_ip,
                per_second: *connections_per_second,
            },
            rooms: *rooms,
            outbox_bytes_total: outbox_bytes_total.bytes(),
            history_bytes_total: history_bytes_total.bytes(),
            history_cache_bytes: history_cache_bytes.bytes(),
        }
    }
}

impl LogPolicy {
    fn new(settings: &LogSettings) -> Self {
        let LogSettings { level, messages, lines_per_second } = settings;
        Self { level: *level, messages: *messages, lines_per_second: *lines_per_second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::{Table, Value};

    /// The keys that only a start can set; every other one is in the policy.
    const ONLY_AT_START: [&str; 19] = [
        "admin.listen",
        "backplane.ca",
        "backplane.kind",
        "backplane.node_timeout",
        "backplane.password",
        "backplane.password_file",
        "backplane.prefix",
        "backplane.push_buffer",
        "backplane.restore",
        "backplane.timeout",
        "backplane.url",
        "backplane.user",
        "limits.answer_bytes",
        "limits.body_bytes",
        "limits.in_flight_bytes",
        "listen",
        "page.directory",
        "session.secret",
        "workers",
    ];

    /// Values of all types of settings, each other than a default.
    const OTHERS: &str = r#"
        values = [
            "7s", "7KiB", "debug", "redis", "redis://seven.example", "seven", 7, true, false, "a-secret-of-thirty-two-characters",
            ["127.0.0.1:7"], ["https://seven.example"], ["seven.example"], ["a-key-of-20-letters"],
            [{ match = "seven", echo = false }],
        ]
    "#;

    #[test]
    fn each_key_is_either_in_the_policy_or_set_at_the_start() {
        let settings = Settings::default();
        let (policy, startup) = (Policy::new(&settings), Startup::new(&settings));
        let mut only_at_start = Vec::new();
        for key in keys("", &Table::try_from(&settings).unwrap()) {
            let changed = with_another(&key);
            let changes = (Policy::new(&changed) != policy, Startup::new(&changed) != startup);
            assert!(changes.0 != changes.1, "{key} belongs to one of them: {changes:?}");
            if changes.1 {
                only_at_start.push(key);
            }
        }
        only_at_start.sort();
        assert_eq!(only_at_start, ONLY_AT_START);
    }

    fn keys(at: &str, section: &Table) -> Vec<String> {
        let below = |(name, value): (&String, &Value)| match value {
            Value::Table(section) => keys(&format!("{at}{name}."), section),
            _ => vec![format!("{at}{name}")],
        };
        section.iter().flat_map(below).collect()
    }

    /// Returns the default settings with another value of `key`.
    fn with_another(key: &str) -> Settings {
        let others: Table = OTHERS.parse().unwrap();
        let others = others["values"].as_array().unwrap();
        let mut changed = others.iter().filter_map(|value| with(key, value.clone()));
        changed.find(|settings| *settings != Settings::default()).unwrap_or_else(|| panic!("{key}"))
    }

    /// Returns the default settings with `value` for `key`, if it is valid.
    fn with(key: &str, value: Value) -> Option<Settings> {
        let names: Vec<_> = key.split('.').rev().collect();
        let in_section = |value, name: &&str| Value::Table(Table::from_iter([(name.to_string(), value)]));
        names.iter().fold(value, in_section).try_into().ok()
    }

    #[test]
    fn no_key_of_a_publisher_is_shown() {
        let mut settings = Settings::default();
        settings.publish.keys = vec!["a-key-that-nobody-guesses".into()];
        settings.session.secret = "a-secret-that-nobody-guesses-either".into();
        let shown = format!("{:?} {:?}", Policy::new(&settings), Startup::new(&settings));
        assert!(!shown.contains("nobody"), "{shown}");
    }
}
