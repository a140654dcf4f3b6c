//! The order of one node by itself: a message is numbered, remembered and has arrived at once.

use super::{
    Arrival, Published, Submission,
    idempotency::{IdempotencyCache, KeyUse},
};
use crate::{config::Settings, history::Archive};
use std::time::Instant;

/// The backplane of a node that shares its rooms with no other.
pub struct Single {
    pub(super) archive: Archive,
    pub(super) idempotency: IdempotencyCache<Published>,
}

impl Single {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            archive: Archive::new(settings.limits.history_bytes_total.bytes()),
            idempotency: IdempotencyCache::new(settings.publish.retries, settings.publish.idempotency_window),
        }
    }

    /// Numbers and remembers the messages; the pending part passes through by value.
    pub(super) fn publish(&mut self, submission: Submission, now: Instant) -> Arrival {
        let Submission { room, messages, source, key, pending } = submission;
        let append = |message| self.archive.append(room, message, source, now);
        let arrival = Arrival { room, messages: messages.into_iter().map(append).collect(), pending };
        if let Some(key) = key {
            let KeyUse { room, key, source } = *key;
            self.idempotency.remember(room, key, source, arrival.published(), now);
        }
        arrival
    }
}
