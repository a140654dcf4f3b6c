//! The constraints that no type can express: bounds of values, and values that cannot work
//! together.

use super::{
    diagnostic::{Diagnostic, Problem},
    loaded::Loaded,
    path::SettingPath,
};
use crate::config::{BackplaneKind, BackplaneSettings, ByteSize, Secret, Settings};

use std::{iter, net::SocketAddr, time::Duration};

/// The longest header of a frame, in bytes (RFC 6455 §5.2): 2 of flags, 8 of length, 4 of masking
/// key.
const FRAME_HEADER: usize = 14;

/// The largest number of worker threads, inclusive: more than the cores of a machine, and each
/// thread reduces the descriptors for clients.
const MAX_WORKERS: usize = 512;

/// The largest message, inclusive: bytes are counted in 32 bits, and sums of a few messages must
/// fit.
const MAX_MESSAGE: ByteSize = ByteSize::from_mib(1024);

/// The smallest bound for the head of a request, in bytes: the handshake of a browser with a cookie
/// fits.
const MIN_HEAD: usize = 1 << 10;

/// The largest head of a request, inclusive: actix-http accepts no larger one.
const MAX_HEAD: ByteSize = ByteSize::from_kib(128);

/// The shortest key, in bytes: a shorter one can be guessed.
const MIN_KEY: usize = 16;

/// The fewest characters of `session.secret`: a shorter one can be guessed from the tokens that it
/// issued.
const MIN_SECRET: usize = 32;

/// The largest bound that is counted in permits of 32 bits, inclusive: the overhead of each message
/// must fit in addition.
const MAX_COUNTED: ByteSize = ByteSize::from_mib(2048);

/// The longest prefix of keys, in characters, inclusive.
const MAX_PREFIX: usize = 64;

/// The messages of the largest size that the buffer for pushes must hold.
const PUSHED_MESSAGES: usize = 4;

const AT_LEAST_ONE: &str = "must be at least 1";
const LONGER_THAN_ZERO: &str = "must be longer than 0s";

/// A condition on the value of `key`, or on the values of `key` and `other` together.
pub struct Constraint {
    holds: bool,
    key: &'static str,
    sentence: &'static str,
    other: Option<&'static str>,
    remedy: &'static str,
}

/// Returns the constraints that `settings` violate.
pub fn broken(settings: &Settings) -> Vec<Constraint> {
    let groups = [top, session, limits_and_compression, publish, backplane, combinations];
    let constraints = groups.into_iter().flat_map(|group| group(settings));
    constraints.filter(|constraint| !constraint.holds).collect()
}

impl Constraint {
    /// Returns true if the constraint concerns the value of `key`.
    pub fn is_about(&self, key: &SettingPath) -> bool {
        *key == self.key.into() || self.other.is_some_and(|other| *key == other.into())
    }

    /// Returns the diagnostic of a violated constraint. Its place is that of the later of the two
    /// values, which probably violates it.
    pub fn violation(&self, loaded: &Loaded) -> Diagnostic {
        let (setting, provenance) = loaded.setting(&self.key.into());
        let Some(other) = self.other else {
            return Diagnostic {
                provenance,
                problem: Problem::Constraint(format!("{setting} {}", self.sentence)),
            };
        };
        let (other, other_provenance) = loaded.setting(&other.into());
        let problem = Problem::Constraint(format!(
            "{setting} ({provenance}) {}, but {other} ({other_provenance}): {}",
            self.sentence, self.remedy
        ));
        Diagnostic { provenance: provenance.max(other_provenance), problem }
    }
}

fn top(Settings { listen, workers, admin, .. }: &Settings) -> Vec<Constraint> {
    vec![
        bound(!listen.is_empty(), "listen", "must name an address"),
        bound(are_apart(listen), "listen", "must name each address once"),
        bound(are_apart(&admin.listen), "admin.listen", "must name each address once"),
        bound(*workers <= MAX_WORKERS, "workers", "must be at most 512"),
        Constraint {
            remedy: "choose another port for one of them",
            ..pair(
                admin.listen.iter().all(|address| !listen.contains(address) || address.port() == 0),
                "admin.listen",
                "must name no address of listen",
                "listen",
            )
        },
    ]
}

/// No address is in the list twice; port 0 is a new port each time.
fn are_apart(addresses: &[SocketAddr]) -> bool {
    let is_new = |at: usize| addresses[at].port() == 0 || !addresses[..at].contains(&addresses[at]);
    (0..addresses.len()).all(is_new)
}

fn session(Settings { session, rooms, .. }: &Settings) -> Vec<Constraint> {
    let max_gathering = Duration::from_secs(1);
    vec![
        bound(rooms.gather_presence <= max_gathering, "rooms.gather_presence", "must be at most 1s"),
        bound(session.max_message.bytes() > 0, "session.max_message", AT_LEAST_ONE),
        bound(session.max_message <= MAX_MESSAGE, "session.max_message", "must be at most 1GiB"),
        bound(session.outbox_messages > 0, "session.outbox_messages", AT_LEAST_ONE),
        bound(session.outbox_bytes <= MAX_COUNTED, "session.outbox_bytes", "must be at most 2GiB"),
        bound(!session.ping_after.is_zero(), "session.ping_after", LONGER_THAN_ZERO),
        bound(!session.pong_within.is_zero(), "session.pong_within", LONGER_THAN_ZERO),
        bound(!session.stalled_write.is_zero(), "session.stalled_write", LONGER_THAN_ZERO),
        bound(!session.close_within.is_zero(), "session.close_within", LONGER_THAN_ZERO),
        bound(!session.handshake_within.is_zero(), "session.handshake_within", LONGER_THAN_ZERO),
        bound(session.max_head.bytes() >= MIN_HEAD, "session.max_head", "must be at least 1KiB"),
        bound(session.max_head <= MAX_HEAD, "session.max_head", "must be at most 128KiB"),
        bound(!session.burst.is_zero(), "session.burst", LONGER_THAN_ZERO),
        bound(
            session.secret.expose().is_empty() || is_secret(session.secret.expose(), MIN_SECRET),
            "session.secret",
            "must be empty or at least 32 visible ASCII characters, for example from `openssl rand -hex 32`",
        ),
    ]
}

fn limits_and_compression(Settings { limits, compression, .. }: &Settings) -> Vec<Constraint> {
    let level = 1..=9;
    vec![
        bound(limits.connections > 0, "limits.connections", AT_LEAST_ONE),
        bound(limits.rooms > 0, "limits.rooms", AT_LEAST_ONE),
        bound(limits.in_flight_bytes <= MAX_COUNTED, "limits.in_flight_bytes", "must be at most 2GiB"),
        bound(
            limits.history_cache_bytes <= MAX_COUNTED,
            "limits.history_cache_bytes",
            "must be at most 2GiB",
        ),
        bound(level.contains(&compression.level), "compression.level", "must be 1 (fast) to 9 (small)"),
    ]
}

fn publish(settings: &Settings) -> Vec<Constraint> {
    let is_key = |key: &Secret| is_secret(key.expose(), MIN_KEY);
    let overrides = || settings.rooms.overrides.iter();
    let histories =
        || iter::once(settings.history.bytes).chain(overrides().filter_map(|room| room.history.bytes));
    vec![
        bound(
            settings.publish.keys.iter().all(is_key),
            "publish.keys",
            "must have 16 characters or more each, without spaces",
        ),
        pair(
            overrides()
                .filter_map(|room| room.max_message)
                .all(|bytes| bytes <= settings.session.max_message),
            "rooms.override",
            "may reduce max_message only",
            "session.max_message",
        ),
        pair(
            histories().all(|bytes| bytes <= settings.limits.history_bytes_total),
            "limits.history_bytes_total",
            "must be enough for one room",
            "rooms.override",
        ),
        pair(
            histories().all(|bytes| bytes <= settings.limits.answer_bytes),
            "limits.answer_bytes",
            "must hold what one room remembers",
            "rooms.override",
        ),
        pair(
            overrides()
                .filter_map(|room| room.greeting.as_ref())
                .all(|greeting| settings.session.outbox_bytes.bytes() >= greeting.len() + FRAME_HEADER),
            "session.outbox_bytes",
            "must hold every greeting and 14 bytes of header",
            "rooms.override",
        ),
    ]
}

fn backplane(settings: &Settings) -> Vec<Constraint> {
    let BackplaneSettings { kind, url, password, password_file, ca, prefix, .. } = &settings.backplane;
    let BackplaneSettings { timeout, restore, node_timeout, push_buffer, .. } = settings.backplane;
    let is_shared = *kind == BackplaneKind::Redis;
    let minute = Duration::from_secs(60);
    let is_prefix = |byte: u8| byte.is_ascii_graphic() && !b"{}".contains(&byte);
    let has_file = !password_file.as_os_str().is_empty();
    vec![
        Constraint {
            remedy: "name a server such as \"redis://127.0.0.1:6379\", or set backplane.kind = \"none\"",
            ..pair(!is_shared || !url.is_empty(), "backplane.url", "must name a server", "backplane.kind")
        },
        Constraint {
            remedy: "delete one of them",
            ..pair(
                password.expose().is_empty() || !url.has_password(),
                "backplane.password",
                "must be empty if the url has a password",
                "backplane.url",
            )
        },
        Constraint {
            remedy: "delete one of them",
            ..pair(
                !has_file || password.expose().is_empty(),
                "backplane.password_file",
                "must be empty if there is a password",
                "backplane.password",
            )
        },
        Constraint {
            remedy: "delete one of them",
            ..pair(
                !has_file || !url.has_password(),
                "backplane.password_file",
                "must be empty if the url has a password",
                "backplane.url",
            )
        },
        Constraint {
            remedy: "write rediss:// for TLS, or delete backplane.ca",
            ..pair(
                ca.as_os_str().is_empty() || url.is_empty() || url.is_encrypted(),
                "backplane.ca",
                "must be empty unless the url begins with rediss://",
                "backplane.url",
            )
        },
        bound(
            !prefix.is_empty() && prefix.len() <= MAX_PREFIX && prefix.bytes().all(is_prefix),
            "backplane.prefix",
            "must have 1 to 64 visible ASCII characters, without { and }",
        ),
        bound(
            (Duration::from_millis(100)..=minute).contains(&timeout),
            "backplane.timeout",
            "must be from 100ms to 1m",
        ),
        bound(restore <= minute, "backplane.restore", "must be at most 1m"),
        bound(
            (Duration::from_secs(1)..=60 * minute).contains(&node_timeout),
            "backplane.node_timeout",
            "must be from 1s to 1h",
        ),
        bound(
            (ByteSize::from_mib(1)..=MAX_COUNTED).contains(&push_buffer),
            "backplane.push_buffer",
            "must be from 1MiB to 2GiB",
        ),
        pair(
            !is_shared || push_buffer.bytes() >= PUSHED_MESSAGES * settings.session.max_message.bytes(),
            "backplane.push_buffer",
            "must hold four messages",
            "session.max_message",
        ),
    ]
}

fn is_secret(text: &str, min: usize) -> bool {
    text.len() >= min && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn combinations(Settings { session, limits, rooms, history, .. }: &Settings) -> Vec<Constraint> {
    let message = session.max_message.bytes();
    let outbox = session.outbox_bytes.bytes();
    let holds_message = "must hold one message and 14 bytes of header";
    let holds_greeting = "must hold the greeting and 14 bytes of header";
    vec![
        pair(outbox >= message + FRAME_HEADER, "session.outbox_bytes", holds_message, "session.max_message"),
        pair(
            outbox >= rooms.greeting.len() + FRAME_HEADER,
            "session.outbox_bytes",
            holds_greeting,
            "rooms.greeting",
        ),
        pair(
            limits.in_flight_bytes.bytes() >= message,
            "limits.in_flight_bytes",
            "must hold one message",
            "session.max_message",
        ),
        pair(
            limits.outbox_bytes_total >= session.outbox_bytes,
            "limits.outbox_bytes_total",
            "must be enough for one outbox",
            "session.outbox_bytes",
        ),
        pair(
            limits.history_bytes_total >= history.bytes,
            "limits.history_bytes_total",
            "must be enough for one room",
            "history.bytes",
        ),
    ]
}

fn bound(holds: bool, key: &'static str, sentence: &'static str) -> Constraint {
    Constraint { holds, key, sentence, other: None, remedy: "" }
}

fn pair(holds: bool, key: &'static str, sentence: &'static str, other: &'static str) -> Constraint {
    Constraint { holds, key, sentence, other: Some(other), remedy: "raise the one or reduce the other" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::tree;

    #[test]
    fn the_defaults_violate_no_constraint() {
        assert!(broken(&Settings::default()).is_empty());
    }

    #[test]
    fn every_constraint_names_existing_keys() {
        let settings = Settings::default();
        let keys = tree::keys(&tree::tree(&settings));
        for constraint in [top, session, limits_and_compression, publish, backplane, combinations]
            .iter()
            .flat_map(|group| group(&settings))
        {
            assert!(keys.contains(&constraint.key.into()), "{}", constraint.key);
            assert!(
                constraint.other.is_none_or(|other| keys.contains(&other.into())),
                "{:?}",
                constraint.other
            );
        }
    }
}
