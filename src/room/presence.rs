//! Who is in one room, where that is told.

use super::SessionId;
use std::collections::BTreeMap;

/// Each speaker with the number of its sessions: one that comes back may still have a lost one.
#[derive(Debug, Default)]
pub struct Presence(BTreeMap<SessionId, usize>);

impl Presence {
    /// Whether `who` was not there before.
    pub fn come(&mut self, who: SessionId) -> bool {
        let sessions = self.0.entry(who).or_default();
        *sessions += 1;
        *sessions == 1
    }

    /// Whether `who` is not there any more.
    pub fn go(&mut self, who: SessionId) -> bool {
        let Some(sessions) = self.0.get_mut(&who) else { return false };
        *sessions -= 1;
        let gone = *sessions == 0;
        if gone {
            self.0.remove(&who);
        }
        gone
    }

    pub fn who(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_before_its_lost_session_ends_was_there_all_the_time() {
        let (mut presence, anna) = (Presence::default(), SessionId::next());
        assert!(presence.come(anna));
        assert!(!presence.come(anna));
        assert!(!presence.go(anna));
        assert!(presence.who().eq([anna]));
        assert!(presence.go(anna));
        assert!(!presence.go(anna));
        assert_eq!(presence.who().count(), 0);
    }
}
