//! The number of members of one room at each relay.

use crate::ids::RelayId;

/// The number of members at each relay that has some.
#[derive(Debug, Default)]
pub struct Members(Vec<(RelayId, usize)>);

impl Members {
    /// Returns `true` if the room has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The relays that hold members.
    pub fn relays(&self) -> impl Iterator<Item = RelayId> + '_ {
        self.0.iter().map(|(relay, _)| *relay)
    }

    /// Returns the number of members at all relays.
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, members)| members).sum()
    }

    /// Counts one more member at `relay`.
    pub fn add(&mut self, relay: RelayId) {
        match self.0.iter_mut().find(|(id, _)| *id == relay) {
            Some((_, members)) => *members += 1,
            None => self.0.push((relay, 1)),
        }
    }

    /// Removing a member of an unknown relay changes nothing.
    pub fn remove(&mut self, relay: RelayId) {
        let Some(at) = self.0.iter().position(|(id, _)| *id == relay) else { return };
        self.0[at].1 -= 1;
        if self.0[at].1 == 0 {
            self.0.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RelayId = RelayId(0);
    const B: RelayId = RelayId(1);

    #[test]
    fn a_room_knows_the_relays_of_its_members() {
        let mut members = Members::default();
        [A, B, A].into_iter().for_each(|relay| members.add(relay));
        assert_eq!((members.relays().collect(), members.count()), (vec![A, B], 3));
        members.remove(A);
        members.remove(B);
        assert_eq!((members.relays().collect(), members.count()), (vec![A], 1));
        members.remove(B);
        members.remove(A);
        assert!(members.is_empty());
    }
}
