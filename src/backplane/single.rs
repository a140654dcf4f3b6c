//! The order of one node by itself: a message is numbered, remembered and has arrived at once.

use super::{
    Arrival, Asker, NotPosted, Ordered, Published, Submission,
    idempotency::{IdempotencyBounds, IdempotencyCache, IdempotencyKey, KeyUse, Lookup},
};
use crate::{
    config::RoomName,
    history::{Archive, HistoryRequest},
    ids::RoomSlot,
    limits::Source,
};
use smallvec::SmallVec;
use std::time::Instant;

/// The backplane of a node that shares its rooms with no other.
pub struct Single {
    pub(super) archive: Archive,
    pub(super) idempotency: IdempotencyCache<Published>,
}

impl Single {
    /// An order without rooms, whose histories hold at most `history_bytes`, inclusive.
    pub fn new(history_bytes: usize, idempotency: IdempotencyBounds) -> Self {
        Self {
            archive: Archive::new(history_bytes),
            idempotency: IdempotencyCache::new(idempotency.keys, idempotency.window),
        }
    }

    /// Numbers and remembers the messages; the pending part passes through by value.
    pub(super) fn publish(&mut self, submission: Submission, now: Instant) -> Ordered {
        let Submission { room, messages, source, key, pending } = submission;
        let append = |message| self.archive.append(room, message, source, now);
        let messages: SmallVec<[_; 1]> = messages.into_iter().map(append).collect();
        let published = Published {
            position: self.archive.get(room).position(),
            messages: messages.len(),
            receivers: pending.reply.as_ref().map_or(0, |reply| reply.receivers),
        };
        if let Some(key) = key {
            let KeyUse { room, key, source } = *key;
            self.idempotency.remember(room, key, source, published, now);
        }
        Ordered { room, messages, answer: Ok(published), pending: Some(pending) }
    }

    /// False: everything has arrived when its submission returns.
    pub(super) fn is_pending(&self, _: RoomSlot) -> bool {
        false
    }

    pub(super) fn recall(&self, room: RoomSlot, request: HistoryRequest, asker: Asker) -> Arrival {
        Arrival::History { room, slice: self.archive.get(room).slice(request), asker }
    }

    pub(super) fn find_answer(
        &mut self,
        room: &RoomName,
        key: &IdempotencyKey,
        source: Source,
        now: Instant,
    ) -> Option<Result<Published, NotPosted>> {
        match self.idempotency.find(room, key, source, now) {
            Lookup::New => None,
            Lookup::Repeated(published) => Some(Ok(published)),
            Lookup::Reused => Some(Err(NotPosted::KeyReused)),
            Lookup::Full => Some(Err(NotPosted::TooManyKeys)),
        }
    }
}
