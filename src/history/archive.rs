//! The histories of all rooms, within one bound of bytes.

use super::{
    History, HistoryLimits, Message, NewMessage,
    totals::{HistoryTotals, SizeClass, Usage},
};
use crate::ids::RoomSlot;
use std::{mem, sync::Arc, time::Instant};

/// The history of each open room, by slot.
///
/// Beyond the bound the largest history forgets its oldest message, so that a client that fills
/// rooms takes nothing from rooms that hold less.
#[derive(Debug)]
pub struct Archive {
    histories: Vec<Option<Entry>>,
    totals: HistoryTotals,
    /// Rooms whose history has become empty since [`Archive::take_emptied`].
    emptied: Vec<RoomSlot>,
}

#[derive(Debug)]
struct Entry {
    history: History,
    /// The entry in the order of expiry.
    due: Option<Instant>,
    /// The entry in the order of size.
    size: Option<SizeClass>,
}

impl Entry {
    fn usage(&self) -> Usage {
        Usage { messages: self.history.messages(), bytes: self.history.bytes() }
    }
}

impl Archive {
    /// Creates an archive that holds at most `max_bytes`, inclusive (`limits.history_bytes_total`).
    pub fn new(max_bytes: usize) -> Self {
        Self { histories: Vec::new(), totals: HistoryTotals::new(max_bytes), emptied: Vec::new() }
    }

    /// Begins an empty history for the room at `slot`.
    pub fn open(&mut self, slot: RoomSlot, limits: HistoryLimits) {
        if self.histories.len() <= slot.index() {
            self.histories.resize_with(slot.index() + 1, || None);
        }
        let entry = Entry { history: History::new(limits), due: None, size: None };
        self.histories[slot.index()] = Some(entry);
    }

    /// Ends the history of the room at `slot`, if it is open.
    pub fn close(&mut self, slot: RoomSlot) {
        let Some(entry) = self.histories.get_mut(slot.index()).and_then(Option::take) else { return };
        self.totals.change(entry.usage(), Usage::default());
        self.totals.resize(slot, entry.size, None);
        if let Some(due) = entry.due {
            self.totals.unschedule(slot, due);
        }
        while self.histories.last().is_some_and(Option::is_none) {
            self.histories.pop();
        }
        if self.histories.is_empty() {
            self.histories = Vec::new(); // gives its memory back
        }
    }

    /// Returns the history of the room at `slot`.
    ///
    /// # Panics
    /// If the room is not open.
    pub fn get(&self, slot: RoomSlot) -> &History {
        let entry = self.histories.get(slot.index()).and_then(Option::as_ref);
        &entry.expect("the room is open").history
    }

    /// Returns the size of all histories together.
    pub fn usage(&self) -> Usage {
        self.totals.usage()
    }

    /// Numbers and remembers the next message of an open room; beyond the bound, the largest
    /// histories forget.
    pub fn append(&mut self, slot: RoomSlot, message: NewMessage, now: Instant) -> Arc<Message> {
        let message = self.change(slot, |history| history.append(message, now));
        while self.totals.is_overfull() {
            self.forget_of_largest();
        }
        message
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired
    /// messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        for _ in 0..max_rooms {
            let Some((_, slot)) = self.totals.first().filter(|(due, _)| *due <= now) else { return false };
            self.change(slot, |history| history.forget_expired(now));
            self.reschedule(slot);
        }
        self.totals.first().is_some_and(|(due, _)| due <= now)
    }

    /// Takes the rooms whose history has become empty since the last call; some may have ended
    /// meanwhile.
    pub fn take_emptied(&mut self) -> Vec<RoomSlot> {
        mem::take(&mut self.emptied)
    }

    fn entry(&mut self, slot: RoomSlot) -> &mut Entry {
        self.histories[slot.index()].as_mut().expect("the room is open")
    }

    /// Changes a history, and updates the totals.
    fn change<T>(&mut self, slot: RoomSlot, change: impl FnOnce(&mut History) -> T) -> T {
        let entry = self.entry(slot);
        let before = entry.usage();
        let changed = change(&mut entry.history);
        let (after, is_scheduled, listed) = (entry.usage(), entry.due.is_some(), entry.size);
        self.totals.change(before, after);
        if before.messages > 0 && after.messages == 0 {
            self.emptied.push(slot);
        }
        if SizeClass::of(after.bytes) > listed {
            self.resize(slot);
        }
        if !is_scheduled {
            self.reschedule(slot);
        }
        changed
    }

    /// Lists the room at the time at which its oldest message expires.
    fn reschedule(&mut self, slot: RoomSlot) {
        let entry = self.entry(slot);
        let expires = entry.history.expires();
        let due = mem::replace(&mut entry.due, expires);
        due.inspect(|due| self.totals.unschedule(slot, *due));
        expires.inspect(|expires| self.totals.schedule(slot, *expires));
    }

    /// Lists the room with the size of its history.
    fn resize(&mut self, slot: RoomSlot) {
        let entry = self.entry(slot);
        let size = SizeClass::of(entry.history.bytes());
        let listed = mem::replace(&mut entry.size, size);
        self.totals.resize(slot, listed, size);
    }

    /// Forgets the oldest message of the largest history.
    fn forget_of_largest(&mut self) {
        let (listed, slot) = self.totals.largest().expect("histories hold more than they may");
        if SizeClass::of(self.entry(slot).history.bytes()) != Some(listed) {
            return self.resize(slot);
        }
        self.change(slot, History::forget_oldest);
        self.resize(slot);
        self.reschedule(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;
    use proptest::prelude::*;
    use std::{collections::BTreeSet, time::Duration};

    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 10, age: Duration::from_secs(10), bytes: usize::MAX };

    #[test]
    fn a_client_that_fills_many_rooms_takes_nothing_from_rooms_that_hold_less() {
        let (mut archive, now, quiet) = (Archive::new(20_000), Instant::now(), RoomSlot(0));
        archive.open(quiet, LIMITS);
        let before = archive.get(quiet).position();
        archive.append(quiet, message(100), now);
        for slot in (1..=50).map(RoomSlot) {
            archive.open(slot, LIMITS);
            for _ in 0..20 {
                archive.append(slot, message(872), now);
                assert!(archive.usage().bytes <= 20_000);
            }
        }
        assert_eq!(archive.get(quiet).after(before).unwrap().len(), 1);
        let usage = archive.histories.iter().flatten().map(|entry| entry.history.bytes());
        assert!(usage.max().unwrap() <= 2000, "all that were filled gave alike");
    }

    #[test]
    fn a_history_that_becomes_empty_is_reported_once() {
        let (mut archive, now, slot) = (Archive::new(1 << 20), Instant::now(), RoomSlot(3));
        archive.open(slot, LIMITS);
        archive.append(slot, message(1), now);
        assert!(!archive.expire_some(now + Duration::from_secs(9), 1));
        assert_eq!(archive.take_emptied(), []);
        archive.expire_some(now + Duration::from_secs(10), 1);
        assert_eq!((archive.take_emptied(), archive.take_emptied()), (vec![slot], vec![]));
        archive.close(slot);
        assert_eq!(archive.histories.capacity(), 0, "its memory is given back");
    }

    #[test]
    fn sizes_are_told_apart_to_within_an_eighth() {
        assert_eq!(SizeClass::of(0), None);
        for bytes in [1, 129, 1000, 1 << 20, usize::MAX >> 4] {
            assert!(SizeClass::of(bytes) >= SizeClass::of(bytes - 1));
            assert!(SizeClass::of(bytes + bytes / 4 + 8) > SizeClass::of(bytes), "{bytes}");
        }
    }

    proptest! {
        /// The totals agree with the histories, whatever is appended, forgotten, opened and closed.
        #[test]
        fn all_histories_together_stay_within_their_bound(
            steps in prop::collection::vec((0..6_u8, 0..5_u32, 0..600_usize, 0..3000_u64), 1..120),
        ) {
            const MAX_BYTES: usize = 2000;
            let (mut archive, mut now) = (Archive::new(MAX_BYTES), Instant::now());
            for (step, slot, bytes, pause) in steps {
                now += Duration::from_millis(pause);
                let slot = RoomSlot(slot);
                let is_open = archive.histories.get(slot.index()).is_some_and(Option::is_some);
                match step {
                    5 => archive.close(slot),
                    4 => while archive.expire_some(now, 1) {},
                    _ => {
                        if !is_open {
                            archive.open(slot, LIMITS);
                        }
                        archive.append(slot, message(bytes), now);
                    }
                }
                let open: Vec<_> = (0..).map(RoomSlot).zip(&archive.histories)
                    .filter_map(|(slot, entry)| Some((slot, entry.as_ref()?))).collect();
                let usage = open.iter().fold(Usage::default(), |sum, (_, entry)| Usage {
                    messages: sum.messages + entry.history.messages(),
                    bytes: sum.bytes + entry.history.bytes(),
                });
                prop_assert_eq!(archive.usage(), usage);
                prop_assert!(usage.bytes <= MAX_BYTES);
                prop_assert!(open.iter().all(|(_, entry)| SizeClass::of(entry.history.bytes()) <= entry.size));
                let listed = open.iter().filter_map(|(slot, entry)| Some((entry.size?, *slot)));
                prop_assert_eq!(listed.collect::<BTreeSet<_>>(), archive.totals.sizes.clone());
                prop_assert!(open.iter().all(|(_, entry)| entry.due.is_some() == (entry.history.messages() > 0)
                    && entry.due <= entry.history.expires()));
            }
        }
    }
}
