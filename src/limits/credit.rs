//! How far those who speak in a room may be ahead of those who hear.
//!
//! Who speaks takes credit for each message. It comes back when the relays have handed the message on, and while
//! somebody has not taken all of it, after `rooms.patience` at the latest. So nobody speaks much faster than others
//! hear, and only who cannot take an eighth of an outbox in that time is ever sent away as too slow.

use super::WaitDebt;
use crate::config::Settings;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What may be under way in one room; the same terms for every room.
#[derive(Clone, Debug)]
pub struct Flow {
    pub credit: Arc<Semaphore>,
    /// How long the room has waited in vain, on all threads.
    pub wait_debt: Arc<WaitDebt>,
    /// All of it, in bytes.
    most: u32,
    /// What the smallest message costs, since outboxes count messages too.
    least: u32,
}

/// Shared, since a relay may hold it for longer than the message.
pub type Credit = Arc<OwnedSemaphorePermit>;

impl Flow {
    pub fn of(settings: &Settings) -> Self {
        let (bytes, messages) = (settings.session.outbox_bytes.bytes(), settings.session.outbox_messages);
        let least = (bytes / messages).max(1);
        let most = (bytes / 8).clamp(least, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let (most, least) = (most as u32, least as u32);
        Self { credit: Arc::new(Semaphore::new(most as usize)), wait_debt: Arc::default(), most, least }
    }

    /// Bytes that may be under way at a time.
    pub fn eighth(&self) -> usize {
        self.most as usize
    }

    /// The same for another room.
    pub fn fresh(&self) -> Self {
        let credit = Arc::new(Semaphore::new(self.most as usize));
        Self { credit, wait_debt: Arc::default(), ..*self }
    }

    /// Credit for messages of these `bytes`, together never more than there is; `None` when the room has ended.
    pub async fn acquire(&self, bytes: impl Iterator<Item = usize>) -> Option<OwnedSemaphorePermit> {
        let cost = bytes.map(|bytes| self.cost(bytes)).fold(0, u32::saturating_add);
        self.credit.clone().acquire_many_owned(cost.min(self.most)).await.ok()
    }

    /// Credit for `messages` of the smallest cost, without waiting.
    pub fn try_acquire(&self, messages: usize) -> Option<OwnedSemaphorePermit> {
        let cost = u32::try_from(messages).unwrap_or(u32::MAX).saturating_mul(self.least).min(self.most);
        self.credit.clone().try_acquire_many_owned(cost).ok()
    }

    /// Messages of the smallest cost that may be under way at a time.
    pub fn messages_at_once(&self) -> usize {
        (self.most / self.least) as usize
    }

    /// What a message of `bytes` costs; never more than there is.
    pub fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_fills_at_most_an_eighth_of_an_outbox() {
        let settings = Settings::default();
        let flow = Flow::of(&settings);
        assert!((flow.most / flow.cost(0)) as usize <= settings.session.outbox_messages / 8);
        assert!(flow.most as usize <= settings.session.outbox_bytes.bytes() / 8);
    }

    #[test]
    fn a_message_of_any_size_can_be_said() {
        let flow = Flow::of(&Settings::default()).fresh();
        assert!(flow.cost(usize::MAX) as usize <= flow.credit.available_permits());
    }
}
