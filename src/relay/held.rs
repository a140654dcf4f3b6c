//! The credit of speakers that a relay holds back while their room is behind.

use crate::room::{Credit, Flow};
use std::time::Instant;

/// What is held back in one room.
#[derive(Default)]
pub struct Held {
    since: Option<Instant>,
    credits: Vec<Credit>,
}

impl Held {
    /// Keeps `credits` until the room has caught up; says whether nothing was kept before.
    pub fn keep(&mut self, credits: impl Iterator<Item = Credit>, now: Instant) -> bool {
        self.credits.extend(credits);
        self.since.replace(self.since.unwrap_or(now)).is_none()
    }

    /// Gives everything back when the room has caught up, or was waited for long enough; says whether it did.
    pub fn release(&mut self, flow: &Flow, now: Instant) -> bool {
        let waited = |since| now.saturating_duration_since(since) >= flow.terms.patience;
        let released = !flow.is_behind() || self.since.is_none_or(waited);
        if released {
            *self = Self::default();
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Settings, room::FlowTerms};
    use std::sync::Arc;

    #[test]
    fn credit_comes_back_when_the_room_has_caught_up_and_at_the_latest_when_patience_ends() {
        let (flow, start) = (Flow::new(FlowTerms::of(&Settings::default())), Instant::now());
        let (all, patience) = (flow.credit.available_permits(), flow.terms.patience);
        let credit = || [Arc::new(flow.credit.clone().try_acquire_owned().unwrap())].into_iter();
        let mut held = Held::default();
        flow.set_members(1);
        flow.count_behind(0, 1);

        assert!(held.keep(credit(), start));
        assert!(!held.keep(credit(), start + patience / 2), "no news");
        assert!(!held.release(&flow, start + patience / 2));
        assert_eq!(flow.credit.available_permits(), all - 2);
        assert!(held.release(&flow, start + patience));
        assert_eq!(flow.credit.available_permits(), all);

        assert!(held.keep(credit(), start));
        flow.count_behind(1, 0);
        assert!(held.release(&flow, start));
        assert_eq!(flow.credit.available_permits(), all);
    }
}
