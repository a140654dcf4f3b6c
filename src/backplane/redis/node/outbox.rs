//! The batches of one room on their way to Redis.
//!
//! One batch is under way at a time, and keeps its number and its messages until its outcome is
//! known: a repetition is then recognized. Messages submitted meanwhile become the next batch.

use super::{Node, take_first_if};
use crate::{
    backplane::{
        Arrival, IdempotencyKey, KeyUse, NotPosted, Ordered, Pending, Published, Submission,
        redis::{
            call::Reply,
            entry::{Sequence, StoredMessage},
        },
    },
    history::{Message, NewMessage, Position},
    ids::{ConnectionId, RoomSlot},
};
use smallvec::{SmallVec, smallvec};
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Messages of one batch, unless one submission has more.
const BATCH_MESSAGES: usize = 256;

/// Bytes of the payloads of one batch, unless one submission has more.
const BATCH_BYTES: usize = 64 << 10;

/// The time after which a confirmed batch whose messages have not come is looked for.
pub(super) const ARRIVAL_TIME: Duration = Duration::from_millis(500);

/// The submissions of one room that have not arrived.
#[derive(Default)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    pub(super) under_way: Option<Batch>,
}

struct Queued {
    part: Part,
    messages: SmallVec<[StoredMessage; 1]>,
    key: Option<Box<KeyUse>>,
}

/// One submission.
struct Part {
    ticket: u64,
    /// Its place among the submissions and the changes of members of the room.
    order: u64,
    since: Instant,
    messages: usize,
    /// Empty after the publisher was told that its messages are not confirmed.
    pending: Pending,
    is_given_up: bool,
}

/// A batch that Redis may have, or not.
pub(super) struct Batch {
    pub(super) sequence: Sequence,
    pub(super) messages: Vec<StoredMessage>,
    key: Option<Box<KeyUse>>,
    parts: SmallVec<[Part; 1]>,
    pub(super) is_calling: bool,
    /// The call was sent on the present connection.
    pub(super) was_called: bool,
    /// The time at which the call is repeated.
    pub(super) retry_at: Option<Instant>,
    /// The time at which the messages must have arrived after a confirmation.
    arrives_by: Option<Instant>,
}

impl Outbox {
    pub(super) fn push(&mut self, submission: Submission, ticket: u64, order: u64, now: Instant) {
        let Submission { messages, key, pending, .. } = submission;
        let time = SystemTime::now();
        let stored = |NewMessage { payload, who, audience }| StoredMessage { payload, who, audience, time };
        let messages: SmallVec<_> = messages.into_iter().map(stored).collect();
        let part = Part { ticket, order, since: now, messages: messages.len(), pending, is_given_up: false };
        self.queue.push_back(Queued { part, messages, key });
    }

    /// Returns true while a publisher waits.
    pub(super) fn is_pending(&self) -> bool {
        let waits = |batch: &Batch| batch.parts.iter().any(|part| !part.is_given_up);
        !self.queue.is_empty() || self.under_way.as_ref().is_some_and(waits)
    }

    /// The tickets of all submissions.
    pub(super) fn tickets(&self) -> impl Iterator<Item = u64> {
        let under_way = self.under_way.iter().flat_map(|batch| &batch.parts);
        under_way.chain(self.queue.iter().map(|queued| &queued.part)).map(|part| part.ticket)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_none()
    }

    /// Forgets the calls of the connection that has ended: they will have no reply.
    pub(super) fn reset_link(&mut self) {
        if let Some(batch) = &mut self.under_way {
            (batch.is_calling, batch.was_called) = (false, false);
            (batch.retry_at, batch.arrives_by) = (None, None);
        }
    }

    /// The place of the first submission that was not sent on the present connection.
    pub(super) fn first_unsent(&self) -> Option<u64> {
        let under_way = self.under_way.as_ref().filter(|batch| !batch.was_called);
        let under_way = under_way.and_then(|batch| batch.parts.first());
        under_way.or(self.queue.front().map(|queued| &queued.part)).map(|part| part.order)
    }

    /// Puts the next batch under way, of submissions before the place `before`, unless there is one
    /// or nothing is queued.
    pub(super) fn fill(&mut self, before: u64, sequence: Sequence) {
        if self.under_way.is_some() {
            return;
        }
        let is_next = |queued: &Queued| queued.part.order < before;
        let Some(Queued { part, messages, key }) = take_first_if(&mut self.queue, is_next) else { return };
        let mut batch = Batch {
            sequence,
            messages: messages.into_vec(),
            key,
            parts: smallvec![part],
            is_calling: false,
            was_called: false,
            retry_at: None,
            arrives_by: None,
        };
        let mut bytes = bytes_of(&batch.messages);
        while batch.key.is_none()
            && let Some(next) = take_first_if(&mut self.queue, |next| {
                bytes += bytes_of(&next.messages);
                next.key.is_none()
                    && is_next(next)
                    && batch.messages.len() + next.messages.len() <= BATCH_MESSAGES
                    && bytes <= BATCH_BYTES
            })
        {
            batch.messages.extend(next.messages);
            batch.parts.push(next.part);
        }
        self.under_way = Some(batch);
    }
}

/// The connection of the publisher that waits, if it is a session.
fn connection_of(pending: &Pending) -> Option<ConnectionId> {
    pending.speaker.as_ref().map(|speaker| speaker.connection)
}

fn bytes_of(messages: &[StoredMessage]) -> usize {
    messages.iter().map(|message| message.payload.as_bytes().len()).sum()
}

impl Batch {
    /// The idempotency key of the batch.
    pub(super) fn key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref().map(|used| &used.key)
    }
}

impl Node {
    /// Handles the answer to a batch. Where the room is open here, the messages arrive by
    /// themselves.
    pub(super) fn published(
        &mut self,
        slot: RoomSlot,
        generation: u64,
        sequence: Sequence,
        reply: Reply,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let restore_until = self.restore_until();
        let Some(room) = self.room_of(slot, generation) else { return };
        let under_way = room.outbox.under_way.as_mut();
        let Some(batch) = under_way.filter(|batch| batch.sequence == sequence) else {
            return; // the messages came before the answer
        };
        batch.is_calling = false;
        match reply {
            Reply::Published { until, .. } | Reply::Repeated { until } if !room.mirror.is_wanted => {
                let others = if let Reply::Published { clients, .. } = reply { clients } else { 0 };
                self.confirm(slot, until, others, Vec::new(), now, arrived);
            }
            Reply::Published { .. } => {
                batch.arrives_by = Some(now + ARRIVAL_TIME);
                batch.retry_at = Some(now + 2 * ARRIVAL_TIME); // asks again if it does not come
            }
            Reply::Repeated { until } => {
                let has_arrived =
                    room.mirror.is_current && self.local.archive.get(slot).position().offset >= until.offset;
                if has_arrived {
                    self.confirm(slot, until, 0, Vec::new(), now, arrived);
                } else if let Some(room) = self.room_of(slot, generation) {
                    room.mirror.distrust(); // the batch goes out again only after a fetch
                    room.outbox.reset_link();
                }
            }
            Reply::KeyUsed { fingerprint, until, messages } => {
                self.key_used(slot, fingerprint, until, messages, now, arrived);
            }
            Reply::Wait { .. } => batch.retry_at = restore_until,
            _ => batch.retry_at = Some(now + ARRIVAL_TIME), // the life is asked for
        }
        self.poke(slot);
    }

    /// The batch under way is in the order of the room, after `messages` if they are at hand.
    pub(super) fn confirm(
        &mut self,
        slot: RoomSlot,
        until: Position,
        clients: usize,
        messages: Vec<Arc<Message>>,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let Some(batch) = room.outbox.under_way.take() else { return };
        let others = clients.max(room.members.others());
        let mut offset = until.offset.back(batch.messages.len());
        let mut messages = messages.into_iter();
        let mut key = batch.key;
        for Part { ticket, messages: count, pending, .. } in batch.parts {
            (0..count).for_each(|_| offset = offset.next());
            let here = pending.reply.as_ref().map_or(0, |reply| reply.receivers);
            let receivers = if room.mirror.is_wanted { here + others } else { here.max(others) };
            let published = Published { position: Position { offset, ..until }, messages: count, receivers };
            if let Some(KeyUse { room, key, source }) = key.take().map(|key| *key) {
                self.local.idempotency.remember(room, key, source, published, now);
            }
            arrived.push_back(Arrival::Messages(Ordered {
                room: slot,
                messages: messages.by_ref().take(count).collect(),
                answer: Ok(published),
                pending: Some(pending),
            }));
            self.tickets.close(ticket, arrived);
        }
        self.poke(slot);
    }

    /// The key of the batch under way was used before: nothing was published.
    fn key_used(
        &mut self,
        slot: RoomSlot,
        fingerprint: u64,
        until: Position,
        messages: usize,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let batch = room.outbox.under_way.take_if(|batch| batch.key.is_some());
        let Some(Batch { key: Some(used), parts, .. }) = batch else { return };
        let is_same = used.key.fingerprint == fingerprint;
        let here = |part: &Part| part.pending.reply.as_ref().map_or(0, |reply| reply.receivers);
        let receivers = parts.first().map_or(0, here) + room.members.others();
        let published = Published { position: until, messages, receivers };
        if is_same {
            let KeyUse { room, key, source } = *used;
            self.local.idempotency.remember(room, key, source, published, now);
        }
        let answer = if is_same { Ok(published) } else { Err(NotPosted::KeyReused) };
        for Part { ticket, pending, .. } in parts {
            let messages = SmallVec::new();
            arrived.push_back(Arrival::Messages(Ordered {
                room: slot,
                messages,
                answer,
                pending: Some(pending),
            }));
            self.tickets.close(ticket, arrived);
        }
    }

    /// Tells publishers that have waited for too long; a batch that Redis may have stays.
    pub(super) fn give_up(&mut self, slot: RoomSlot, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let patience = self.times.patience;
        let Some(room) = self.rooms[slot.index()].as_mut() else { return };
        let is_late = |part: &Part| now.saturating_duration_since(part.since) >= patience;
        let Outbox { queue, under_way } = &mut room.outbox;
        let mut late: Vec<(u64, Pending)> = Vec::new();
        if let Some(batch) = under_way {
            if batch.arrives_by.is_some_and(|by| by <= now) {
                batch.arrives_by = None;
                room.mirror.wants_fetch = true;
            }
            for part in batch.parts.iter_mut().filter(|part| !part.is_given_up && is_late(part)) {
                part.is_given_up = true;
                late.push((part.ticket, mem::take(&mut part.pending)));
            }
        }
        while let Some(queued) = take_first_if(queue, |queued| is_late(&queued.part)) {
            late.push((queued.part.ticket, queued.part.pending));
        }
        // The published messages of a speaker are a prefix of those that it has sent: later ones go too.
        let speakers: Vec<_> = late.iter().filter_map(|(_, pending)| connection_of(pending)).collect();
        let is_of_late = |queued: &Queued| {
            connection_of(&queued.part.pending).is_some_and(|connection| speakers.contains(&connection))
        };
        if queue.iter().any(is_of_late) {
            let (of_late, others) = mem::take(queue).into_iter().partition(is_of_late);
            *queue = others;
            let of_late: VecDeque<Queued> = of_late;
            late.extend(of_late.into_iter().map(|queued| (queued.part.ticket, queued.part.pending)));
        }
        for (ticket, pending) in late {
            arrived.push_back(Arrival::Messages(Ordered {
                room: slot,
                messages: SmallVec::new(),
                answer: Err(NotPosted::Unavailable),
                pending: Some(pending),
            }));
            self.tickets.close(ticket, arrived);
        }
    }
}
