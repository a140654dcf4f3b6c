//! The credit of speakers that a relay holds back while somebody in their room is behind.

use crate::room::Credit;
use std::time::{Duration, Instant};

/// What is held back in one room.
#[derive(Default)]
pub struct HeldCredit {
    since: Option<Instant>,
    credits: Vec<Credit>,
}

impl HeldCredit {
    /// Keeps `credits` until the room has caught up; says whether nothing was kept before.
    pub fn keep(&mut self, credits: impl Iterator<Item = Credit>, now: Instant) -> bool {
        self.credits.extend(credits);
        self.since.replace(self.since.unwrap_or(now)).is_none()
    }

    /// Whether the room was waited for long enough.
    pub fn is_over(&self, patience: Duration, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= patience)
    }
}
