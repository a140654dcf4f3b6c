//! Bounds the bytes in flight in one room.
//!
//! A message acquires credit of its room. The relays return it after delivery; while a member of
//! the room lags, they hold it back, for `rooms.patience` at most. So publishers are not much
//! faster than subscribers, and only a client that cannot read an eighth of an outbox in that time
//! is closed as too slow. While credit is scarce, sources get it in turn, one message at a time.
//! Keys: `session.outbox_bytes`, `session.outbox_messages` and
//! `rooms.patience`. Metric: `worldcast_pauses_total{reason="room"}`.

use super::{FairPermit, FairSemaphore, QueueLimits, Source, WaitDebt};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The flow control of one room; the same limits for every room.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The free credit, in bytes.
    pub credit: Arc<FairSemaphore>,
    /// The time that the room has waited in vain, on all threads.
    pub wait_debt: Arc<WaitDebt>,
    /// The credit of a room in bytes: an eighth of an outbox.
    most: u32,
    /// The smallest cost of a message in bytes, since outboxes are limited in messages too.
    least: u32,
}

/// Credit in use, in an `Arc` because a relay may hold it for longer than the message.
pub type Credit = Arc<FairPermit>;

impl Flow {
    /// The flow control of a new room whose members have such outboxes.
    pub fn of(QueueLimits { bytes, messages }: QueueLimits) -> Self {
        let least = (bytes / messages).max(1);
        let most = (bytes / 8).clamp(least, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let (most, least) = (most as u32, least as u32);
        Self { credit: FairSemaphore::new(most as usize), wait_debt: Arc::default(), most, least }
    }

    /// Returns the credit of a room in bytes, an eighth of an outbox.
    pub fn eighth(&self) -> usize {
        self.most as usize
    }

    /// Returns flow control with the same limits for another room.
    pub fn fresh(&self) -> Self {
        let credit = FairSemaphore::new(self.most as usize);
        Self { credit, wait_debt: Arc::default(), ..*self }
    }

    /// Waits for credit for messages of `source` of these `bytes`, together at most all of it.
    pub async fn acquire(&self, source: Source, bytes: impl Iterator<Item = usize>) -> FairPermit {
        let cost = bytes.map(|bytes| self.cost(bytes)).fold(0, u32::saturating_add);
        self.credit.clone().acquire(source, cost.min(self.most)).await
    }

    /// Acquires credit for `messages` of the smallest cost without waiting; `None` if there is not
    /// enough.
    pub fn try_acquire(&self, messages: usize) -> Option<FairPermit> {
        let cost = u32::try_from(messages).unwrap_or(u32::MAX).saturating_mul(self.least).min(self.most);
        self.credit.try_acquire(cost)
    }

    /// Returns `true` if no credit is free: publishers wait. (The first that waits takes the rest.)
    pub fn is_used_up(&self) -> bool {
        self.credit.available_permits() == 0
    }

    /// Returns the number of messages of the smallest cost that may be in flight.
    pub fn messages_at_once(&self) -> usize {
        (self.most / self.least) as usize
    }

    /// Returns the cost of a message of `bytes`; at most all credit of a room.
    pub fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTBOX: QueueLimits = QueueLimits { bytes: 1 << 20, messages: 1024 };

    #[test]
    fn bytes_in_flight_fill_at_most_an_eighth_of_an_outbox() {
        let flow = Flow::of(OUTBOX);
        assert!((flow.most / flow.cost(0)) as usize <= OUTBOX.messages / 8);
        assert!(flow.most as usize <= OUTBOX.bytes / 8);
    }

    #[test]
    fn a_message_of_any_size_can_be_published() {
        let flow = Flow::of(OUTBOX).fresh();
        assert!(flow.cost(usize::MAX) as usize <= flow.credit.available_permits());
    }
}
