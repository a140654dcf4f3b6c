//! What no type can say: values out of bounds, and values that cannot work together.

use super::{
    diagnostic::{Diagnostic, Problem},
    loaded::Loaded,
    path::SettingPath,
};
use crate::config::{ByteSize, Secret, Settings};

use std::time::Duration;

/// The longest header of a frame (RFC 6455, section 5.2): 2 bytes, 8 of length, 4 of mask.
const FRAME_HEADER: usize = 14;

/// Nobody has so many cores, and each thread takes descriptors from clients.
const MAX_WORKERS: usize = 512;

/// A message's bytes are counted in 32 bits; a quarter of that still leaves room for sums.
const MAX_MESSAGE: ByteSize = ByteSize::from_mib(1024);

/// The handshake of a browser with a cookie fits.
const MIN_HEAD: usize = 1 << 10;

/// actix-http takes no larger one.
const MAX_HEAD: ByteSize = ByteSize::from_kib(128);

/// A key that is shorter can be guessed.
const MIN_KEY: usize = 16;

/// What is counted in permits of 32 bits, with room for what each message costs beside its bytes.
const MAX_COUNTED: ByteSize = ByteSize::from_mib(2048);

const AT_LEAST_ONE: &str = "must be at least 1";
const LONGER_THAN_ZERO: &str = "must be longer than 0s";

/// What must be true of the value of `key`, given that of `other`.
pub struct Constraint {
    holds: bool,
    key: &'static str,
    sentence: &'static str,
    other: Option<&'static str>,
}

/// The rules that the settings break.
pub fn broken(settings: &Settings) -> Vec<Constraint> {
    let rules = [top, session, rest, publish, combinations].into_iter().flat_map(|rules| rules(settings));
    rules.filter(|constraint| !constraint.holds).collect()
}

impl Constraint {
    pub fn is_about(&self, key: &SettingPath) -> bool {
        *key == self.key.into() || self.other.is_some_and(|other| *key == other.into())
    }

    /// Tells that the rule is broken, at the place that was written last, which probably broke it.
    pub fn violation(&self, loaded: &Loaded) -> Diagnostic {
        let (setting, provenance) = loaded.setting(&self.key.into());
        let Some(other) = self.other else {
            return Diagnostic {
                provenance,
                problem: Problem::Constraint(format!("{setting} {}", self.sentence)),
            };
        };
        let (other, others_origin) = loaded.setting(&other.into());
        let problem = Problem::Constraint(format!(
            "{setting} ({provenance}) {}, but {other} ({others_origin}): raise the one or reduce the other",
            self.sentence
        ));
        Diagnostic { provenance: provenance.max(others_origin), problem }
    }
}

fn top(Settings { listen, workers, page, .. }: &Settings) -> Vec<Constraint> {
    // Port 0 is a new port each time.
    let twice = |at: usize| listen[at].port() != 0 && listen[..at].contains(&listen[at]);
    vec![
        bound(!listen.is_empty(), "listen", "must name an address"),
        bound(!(0..listen.len()).any(twice), "listen", "must name each address once"),
        bound(*workers <= MAX_WORKERS, "workers", "must be at most 512"),
        bound(!page.directory.as_os_str().is_empty(), "page.directory", "must name a directory"),
    ]
}

fn session(Settings { session, rooms, .. }: &Settings) -> Vec<Constraint> {
    let longest = Duration::from_secs(1);
    vec![
        bound(rooms.gather_presence <= longest, "rooms.gather_presence", "must be at most 1s"),
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
    ]
}

fn rest(Settings { limits, compression, .. }: &Settings) -> Vec<Constraint> {
    let level = 1..=9;
    vec![
        bound(limits.connections > 0, "limits.connections", AT_LEAST_ONE),
        bound(limits.rooms > 0, "limits.rooms", AT_LEAST_ONE),
        bound(limits.in_flight_bytes <= MAX_COUNTED, "limits.in_flight_bytes", "must be at most 2GiB"),
        bound(limits.recall_cache_bytes <= MAX_COUNTED, "limits.recall_cache_bytes", "must be at most 2GiB"),
        bound(level.contains(&compression.level), "compression.level", "must be 1 (fast) to 9 (small)"),
    ]
}

fn publish(settings: &Settings) -> Vec<Constraint> {
    let is_text_of_key = |key: &str| key.len() >= MIN_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    let is_key = |key: &Secret| is_text_of_key(key.expose());
    vec![
        bound(
            settings.publish.keys.iter().all(is_key),
            "publish.keys",
            "must have 16 characters or more each, without spaces",
        ),
        pair(
            settings.all_rooms().all(|rules| rules.max_message <= settings.session.max_message),
            "rooms.override",
            "may reduce max_message only",
            "session.max_message",
        ),
        pair(
            settings.all_rooms().all(|rules| rules.history.bytes <= settings.limits.history_bytes_total),
            "limits.history_bytes_total",
            "must be enough for one room",
            "rooms.override",
        ),
        pair(
            settings.all_rooms().all(|rules| rules.history.bytes <= settings.limits.answer_bytes),
            "limits.answer_bytes",
            "must hold what one room remembers",
            "rooms.override",
        ),
        pair(
            settings
                .all_rooms()
                .all(|rules| settings.session.outbox_bytes.bytes() >= rules.greeting.len() + FRAME_HEADER),
            "session.outbox_bytes",
            "must hold every greeting and 14 bytes of header",
            "rooms.override",
        ),
    ]
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
    Constraint { holds, key, sentence, other: None }
}

fn pair(holds: bool, key: &'static str, sentence: &'static str, other: &'static str) -> Constraint {
    Constraint { holds, key, sentence, other: Some(other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::tree;

    #[test]
    fn the_defaults_break_no_rule() {
        assert!(broken(&Settings::default()).is_empty());
    }

    #[test]
    fn every_rule_is_about_keys_that_exist() {
        let settings = Settings::default();
        let keys = tree::keys(&tree::tree(&settings));
        for constraint in
            [top, session, rest, publish, combinations].into_iter().flat_map(|rules| rules(&settings))
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
