//! The part of a room that is at one relay: who is here, and what they have not been sent yet.

use super::credit::{HeldCredit, Patience};
use crate::{
    clock,
    connection::{Connection, Traffic},
    delivery::{Batch, Broadcast, Subscriber},
    ids::ConnectionId,
    limits::{Credit, Flow},
    metrics::Metrics,
    wire::Compression,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc, time::Instant};

#[derive(Default)]
pub struct LocalRoom {
    members: Vec<Member>,
    pending: SmallVec<[Arc<Broadcast>; 1]>,
    /// Of the room that lies here now.
    flow: Option<Flow>,
    /// None while no client of the room lags.
    held: Option<Box<HeldCredit>>,
}

struct Member {
    subscriber: Subscriber,
    connection: Rc<Connection>,
    /// How much had been said when it came; less than nothing of `pending` is for it.
    from: usize,
    /// Whether something in `pending` is its own, and it hears that in another way than all others.
    needs_slices: bool,
}

/// Outboxes that come into the processor's cache side by side. What the kernel touches between two pushes must not
/// drive them out again.
pub const FETCHED_TOGETHER: usize = 16;

impl LocalRoom {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn flow(&self) -> Option<&Flow> {
        self.flow.as_ref()
    }

    /// Lets somebody in, who hears what is said from now on; says at which index.
    pub fn admit(&mut self, subscriber: Subscriber, connection: Rc<Connection>, flow: Flow) -> usize {
        self.flow.get_or_insert(flow);
        self.members.push(Member { subscriber, connection, from: self.pending.len(), needs_slices: false });
        self.members.len() - 1
    }

    /// Forgets who is at `index`; says who is there now instead.
    pub fn remove(&mut self, index: usize) -> Option<ConnectionId> {
        let member = self.members.swap_remove(index);
        if let Some(held) = &mut self.held {
            held.forget(member.subscriber.connection);
        }
        if self.members.is_empty() {
            self.end();
        }
        self.members.get(index).map(|moved| moved.subscriber.connection)
    }

    /// Keeps what was said for the next flush; says whether it is the first.
    pub fn queue(&mut self, broadcast: Arc<Broadcast>) -> bool {
        self.pending.push(broadcast);
        self.pending.len() == 1
    }

    /// Who is at `index` said something itself.
    pub fn mark_needs_slices(&mut self, index: usize) {
        self.members[index].needs_slices = true;
    }

    /// Brings what the flush of a small room looks at into the processor's cache; a large one does it part by part.
    pub fn prefetch(&self) {
        self.members.iter().take(2).for_each(|member| member.connection.prefetch());
    }

    /// Sends what was said to everybody; says whether speakers begin to wait for who is behind.
    pub fn flush(&mut self, compression: &Compression, patience: &Patience, metrics: &Metrics) -> bool {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return false; // another room was here when it was noted that something was said
        }
        let mut batch = Batch::new(&pending, compression);
        let (mut sent, mut behind, mut now) = (Traffic::default(), false, None);
        let debt = self.flow.as_ref().map(|flow| &*flow.wait_debt);
        if let Some((held, debt)) = self.held.as_mut().zip(debt) {
            held.look(*now.insert(clock::now()), patience, debt, metrics);
        }
        for some in self.members.chunks_mut(FETCHED_TOGETHER) {
            some.iter().for_each(|member| member.connection.prefetch());
            for member in some {
                member.hear(&mut batch, &mut sent);
                if let Some(debt) =
                    debt.filter(|_| member.connection.has_backlog() && !patience.limit.is_zero())
                {
                    let held = self.held.get_or_insert_default();
                    let now = *now.get_or_insert_with(clock::now);
                    behind |= held.lags(member.subscriber.connection, &member.connection, now, debt);
                }
            }
        }
        metrics.messages_sent.inc_by(sent.messages);
        metrics.bytes_sent.inc_by(sent.bytes);
        if let Some(oldest) = pending.first() {
            metrics.delivery_seconds.observe(oldest.taken.elapsed().as_secs_f64());
        }
        let held = self.held.as_mut().filter(|_| behind);
        held.is_some_and(|held| held.keep(credits(&pending), clock::now()))
    }

    /// Nobody here is in the room any more; another may lie here next.
    fn end(&mut self) {
        self.members.shrink_to_fit();
        self.flow = None;
        self.held = None;
    }

    /// Gives back the credit of those who spoke when nobody is behind any more, or was waited for long enough; says
    /// whether it did.
    pub fn release_credit(&mut self, now: Instant, patience: &Patience, metrics: &Metrics) -> bool {
        let (Some(held), Some(flow)) = (&mut self.held, &self.flow) else { return true };
        let released = !held.look(now, patience, &flow.wait_debt, metrics) || held.is_over(patience, now);
        if released {
            held.release();
        }
        self.held.take_if(|held| held.is_idle());
        released
    }
}

impl Member {
    fn hear(&mut self, batch: &mut Batch, sent: &mut Traffic) {
        let Self { subscriber, connection, from, needs_slices } = self;
        let mut push = |part: &Bytes, messages| {
            sent.count(messages, part.len());
            connection.push(part, messages);
        };
        let resumed = subscriber.resumed; // messages of the lost session may still be on their way
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
