//! The part of a room that is on one worker thread: its members, and the messages not yet delivered
//! to them.

use super::credit::{HeldCredit, Patience};
use crate::{
    clock,
    connection::{Connection, Traffic},
    delivery::{Batch, Broadcast, Subscriber},
    limits::{Credit, Flow},
    metrics::Metrics,
    wire::Deflater,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc, time::Instant};

/// The members of one room on this thread, or an unused slot.
#[derive(Default)]
pub struct LocalRoom {
    members: Vec<Member>,
    /// The messages since the last flush.
    pending: SmallVec<[Arc<Broadcast>; 1]>,
    /// Flow control of the room that occupies this slot.
    flow: Option<Flow>,
    /// `None` while no client of the room lags.
    held: Option<Box<HeldCredit>>,
}

struct Member {
    subscriber: Subscriber,
    connection: Rc<Connection>,
    /// Index in `pending` of the first message that this member receives.
    from: usize,
    /// `pending` has a message or a notice of this member, which the member receives in another
    /// way: as an ack, or not at all.
    needs_slices: bool,
}

/// The number of connections prefetched together. The kernel's work between two pushes must not
/// evict them from the processor's cache.
pub const FETCHED_TOGETHER: usize = 16;

impl LocalRoom {
    /// Returns `true` if no member is on this thread.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a member, which receives messages from now on; returns its index.
    pub fn admit(&mut self, subscriber: Subscriber, connection: Rc<Connection>, flow: &Flow) -> usize {
        self.flow.get_or_insert_with(|| flow.clone());
        self.members.push(Member { subscriber, connection, from: self.pending.len(), needs_slices: false });
        self.members.len() - 1
    }

    /// Removes the member at `index`, to which the last member moves.
    pub fn remove(&mut self, index: usize, patience: &Patience, metrics: &Metrics) {
        let member = self.members.swap_remove(index);
        if let Some((held, flow)) = self.held.as_mut().zip(self.flow.as_ref()) {
            held.forget(member.subscriber.connection, clock::now(), patience, flow, metrics);
        }
        if self.members.is_empty() {
            self.end();
        }
        if let Some(moved) = self.members.get(index).and_then(|moved| moved.connection.membership()) {
            moved.index.set(index);
        }
    }

    /// Queues a message for the next flush; returns `true` if it is the first.
    pub fn queue(&mut self, broadcast: Arc<Broadcast>) -> bool {
        self.pending.push(broadcast);
        self.pending.len() == 1
    }

    /// Notes that the member at `index` has published, and receives slices of its own.
    pub fn mark_needs_slices(&mut self, index: usize) {
        self.members[index].needs_slices = true;
    }

    /// Iterates over the connections of the members, in no order.
    pub fn connections(&self) -> impl Iterator<Item = &Rc<Connection>> {
        self.members.iter().map(|member| &member.connection)
    }

    /// Prefetches the connections that the flush of a small room needs; the flush of a large room
    /// prefetches by itself.
    pub fn prefetch(&self) {
        self.members.iter().take(2).for_each(|member| member.connection.prefetch());
    }

    /// Delivers the queued messages to all members; returns `true` if publishers begin to wait for
    /// lagging members.
    pub fn flush(&mut self, deflater: &Deflater, patience: &Patience, metrics: &Metrics) -> bool {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return false; // the slot was dirty for an earlier room
        }
        let mut batch = Batch::new(&pending, deflater);
        let (mut sent, mut lags, mut now) = (Traffic::default(), false, None);
        let debt = self.flow.as_ref().map(|flow| &*flow.wait_debt);
        if let Some((held, flow)) = self.held.as_mut().zip(self.flow.as_ref()) {
            held.check(*now.insert(clock::now()), patience, flow, metrics);
        }
        for some in self.members.chunks_mut(FETCHED_TOGETHER) {
            some.iter().for_each(|member| member.connection.prefetch());
            for member in some {
                member.deliver(&mut batch, &mut sent);
                if let Some(debt) =
                    debt.filter(|_| member.connection.has_backlog() && !patience.limit.is_zero())
                {
                    let held = self.held.get_or_insert_default();
                    let now = *now.get_or_insert_with(clock::now);
                    let session = member.subscriber.connection;
                    lags |= held.note_lag(session, &member.connection, now, patience, debt);
                }
            }
        }
        metrics.messages_sent.inc_by(sent.messages);
        metrics.bytes_sent.inc_by(sent.bytes);
        if let Some(oldest) = pending.first() {
            metrics.delivery_seconds.observe(oldest.received.elapsed().as_secs_f64());
        }
        let held = self.held.as_mut().filter(|_| lags);
        held.is_some_and(|held| held.hold(credits(&pending), clock::now()))
    }

    /// Frees the slot for another room, after its last member has left.
    fn end(&mut self) {
        self.members.shrink_to_fit();
        self.flow = None;
        self.held = None;
    }

    /// Releases the held credit if no member lags any more, or after the longest wait; returns
    /// `true` if it did.
    pub fn release_credit(&mut self, now: Instant, patience: &Patience, metrics: &Metrics) -> bool {
        let (Some(held), Some(flow)) = (&mut self.held, &self.flow) else { return true };
        let released = !held.check(now, patience, flow, metrics) || held.has_expired(patience, now);
        if released {
            held.release();
        }
        self.held.take_if(|held| held.is_idle());
        released
    }
}

impl Member {
    fn deliver(&mut self, batch: &mut Batch, sent: &mut Traffic) {
        let Self { subscriber, connection, from, needs_slices } = self;
        let mut push = |part: &Bytes, messages| {
            sent.count(messages, part.len());
            connection.push(part, messages);
        };
        let resumed = subscriber.resumed; // messages of the lost session may still be undelivered
        if std::mem::take(needs_slices) || resumed {
            batch.parts_for(*subscriber, *from, connection.encoding, push);
        } else {
            let (part, messages) = batch.from(*from, connection.encoding);
            push(&part, messages);
        }
        *from = 0;
    }
}

fn credits(pending: &[Arc<Broadcast>]) -> impl Iterator<Item = Credit> + '_ {
    pending.iter().filter_map(|broadcast| broadcast.credit().cloned())
}
