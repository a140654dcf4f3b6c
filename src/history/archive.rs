//! The histories of all rooms, within one bound of bytes.

use super::{
    Epoch, History, HistoryLimits, Message, NewMessage, Offset, Position,
    accounts::Accounts,
    totals::{HistoryTotals, Usage},
};
use crate::{ids::RoomSlot, limits::Source};
use std::{iter, mem, sync::Arc, time::Instant};

/// The history of each open room, by slot.
///
/// Each message counts for the source that published it. Beyond the bound the source that holds
/// most bytes loses the oldest message of the room in which it holds most, so that a client that
/// fills rooms takes nothing from sources that hold less.
#[derive(Debug)]
pub struct Archive {
    histories: Vec<Option<Entry>>,
    totals: HistoryTotals,
    accounts: Accounts,
    /// Rooms whose history has become empty since [`Archive::take_emptied`].
    emptied: Vec<RoomSlot>,
}

#[derive(Debug)]
struct Entry {
    history: History,
    /// The entry in the order of expiry.
    due: Option<Instant>,
}

impl Entry {
    fn usage(&self) -> Usage {
        Usage { messages: self.history.messages(), bytes: self.history.bytes() }
    }
}

impl Archive {
    /// Creates an archive that holds at most `max_bytes`, inclusive (`limits.history_bytes_total`).
    pub fn new(max_bytes: usize) -> Self {
        let (histories, accounts, emptied) = Default::default();
        Self { histories, totals: HistoryTotals::new(max_bytes), accounts, emptied }
    }

    /// Begins an empty history for the room at `slot`.
    pub fn open(&mut self, slot: RoomSlot, limits: HistoryLimits) {
        if self.histories.len() <= slot.index() {
            self.histories.resize_with(slot.index() + 1, || None);
        }
        let entry = Entry { history: History::new(limits), due: None };
        self.histories[slot.index()] = Some(entry);
    }

    /// Ends the history of the room at `slot`, if it is open.
    pub fn close(&mut self, slot: RoomSlot) {
        let Some(entry) = self.histories.get_mut(slot.index()).and_then(Option::take) else { return };
        self.totals.change(entry.usage(), Usage::default());
        for message in entry.history.iter() {
            self.accounts.remove(slot, message.account, message.cost());
        }
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

    /// Numbers and remembers the next message of an open room, published by `source`; beyond the
    /// bound, the sources that hold most forget.
    pub fn append(
        &mut self,
        slot: RoomSlot,
        message: NewMessage,
        source: Source,
        now: Instant,
    ) -> Arc<Message> {
        let message = self.change(slot, |history, accounts| {
            if !history.keeps_messages() {
                return history.append(message, now);
            }
            let account = accounts.open(source);
            let message = history.push(message, account, now);
            accounts.add(slot, account, message.cost());
            forget_all(slot, accounts, || history.forget_excess(now));
            message
        });
        self.forget_beyond_bound();
        message
    }

    fn forget_beyond_bound(&mut self) {
        while self.totals.is_overfull(self.accounts.overhead(self.histories.len())) {
            self.forget_of_largest();
        }
    }

    /// Remembers a message that has got the next position in its room elsewhere; it counts for
    /// `source`.
    pub fn insert(&mut self, slot: RoomSlot, message: Message, source: Source, now: Instant) -> Arc<Message> {
        let message = self.change(slot, |history, accounts| {
            if !history.keeps_messages() {
                let message = Arc::new(message);
                history.insert(message.clone());
                return message;
            }
            let account = accounts.open(source);
            let message = Arc::new(Message { account, ..message });
            history.insert(message.clone());
            accounts.add(slot, account, message.cost());
            forget_all(slot, accounts, || history.forget_excess(now));
            message
        });
        self.forget_beyond_bound();
        message
    }

    /// Forgets all messages of an open room, which goes on after `offset` in its epoch.
    pub fn restart(&mut self, slot: RoomSlot, offset: Offset) {
        self.change(slot, |history, accounts| {
            forget_all(slot, accounts, || history.forget_oldest());
            history.go_on_after(offset);
        });
        self.reschedule(slot);
    }

    /// Forgets the messages of an open room after `offset`, as if they had never been.
    pub fn rewind(&mut self, slot: RoomSlot, offset: Offset) {
        if self.get(slot).forgotten() > offset {
            return self.restart(slot, offset);
        }
        self.change(slot, |history, accounts| forget_all(slot, accounts, || history.take_back(offset)));
        self.reschedule(slot);
    }

    /// Lets an open room go on in another epoch; see [`History::has_reached`].
    pub fn fork(&mut self, slot: RoomSlot, epoch: Epoch, forks: Vec<Position>) {
        self.entry(slot).history.fork(epoch, forks);
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired
    /// messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        for _ in 0..max_rooms {
            let Some((_, slot)) = self.totals.first().filter(|(due, _)| *due <= now) else { return false };
            self.change(slot, |history, accounts| forget_all(slot, accounts, || history.forget_excess(now)));
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
    fn change<T>(&mut self, slot: RoomSlot, change: impl FnOnce(&mut History, &mut Accounts) -> T) -> T {
        let entry = self.histories[slot.index()].as_mut().expect("the room is open");
        let before = entry.usage();
        let changed = change(&mut entry.history, &mut self.accounts);
        let (after, is_scheduled) = (entry.usage(), entry.due.is_some());
        self.totals.change(before, after);
        if before.messages > 0 && after.messages == 0 {
            self.emptied.push(slot);
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

    /// Forgets the oldest message of the room in which the source that holds most holds most.
    fn forget_of_largest(&mut self) {
        let slot = self.accounts.largest().expect("histories hold more than they may");
        self.change(slot, |history, accounts| {
            let oldest = history.forget_oldest();
            oldest.inspect(|oldest| accounts.remove(slot, oldest.account, oldest.cost()));
        });
        self.reschedule(slot);
    }
}

/// Removes the messages that `forget` returns from the accounts of their sources.
fn forget_all(slot: RoomSlot, accounts: &mut Accounts, forget: impl FnMut() -> Option<Arc<Message>>) {
    iter::from_fn(forget).for_each(|oldest| accounts.remove(slot, oldest.account, oldest.cost()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;
    use proptest::prelude::*;
    use std::time::Duration;

    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 10, age: Duration::from_secs(10), bytes: usize::MAX };

    fn source(number: u8) -> Source {
        Source::new(Some([10, 0, 0, number].into()), false)
    }

    /// The number of messages that a room keeps.
    fn kept(archive: &Archive, slot: RoomSlot) -> usize {
        archive.get(slot).messages()
    }

    /// Opens a room in which a source publishes so many messages.
    fn fills(archive: &mut Archive, slot: RoomSlot, by: u8, messages: usize, bytes: usize) {
        archive.open(slot, HistoryLimits { messages: 1000, ..LIMITS });
        (0..messages).for_each(|_| drop(archive.append(slot, message(bytes), source(by), Instant::now())));
    }

    #[test]
    fn a_source_that_fills_many_small_rooms_takes_nothing_from_a_larger_room_of_another() {
        let (mut archive, quiet) = (Archive::new(1 << 20), RoomSlot(0));
        fills(&mut archive, quiet, 1, 200, 1000);
        (1..=280).map(RoomSlot).for_each(|slot| fills(&mut archive, slot, 2, 3, 2000));
        assert_eq!(kept(&archive, quiet), 200);
        let usage = archive.usage().bytes;
        assert!(usage <= 1 << 20 && usage > (1 << 20) - 4000, "{usage}");
    }

    #[test]
    fn messages_count_for_their_publisher_whoever_opened_the_room() {
        let (mut archive, now, lobby) = (Archive::new(1 << 20), Instant::now(), RoomSlot(0));
        fills(&mut archive, lobby, 2, 1, 1); // it opens the room that others use
        (0..200).for_each(|_| drop(archive.append(lobby, message(1000), source(1), now)));
        (1..=280).map(RoomSlot).for_each(|slot| fills(&mut archive, slot, 2, 3, 2000));
        assert_eq!(kept(&archive, lobby), 201);
    }

    #[test]
    fn several_sources_that_fill_rooms_leave_a_source_what_it_holds_below_theirs() {
        let (mut archive, quiet) = (Archive::new(1 << 20), RoomSlot(0));
        fills(&mut archive, quiet, 1, 60, 1000);
        for by in 2..=11 {
            let rooms = (0..50).map(|number| RoomSlot(u32::from(by) * 50 + number));
            rooms.for_each(|slot| fills(&mut archive, slot, by, 2, 2000));
        }
        assert_eq!(kept(&archive, quiet), 60);
    }

    #[test]
    fn the_books_of_many_sources_count_as_bytes_too() {
        let (mut archive, now, slot) = (Archive::new(100_000), Instant::now(), RoomSlot(0));
        archive.open(slot, HistoryLimits { messages: 10_000, ..LIMITS });
        for number in 0..1000_u16 {
            let [high, low] = number.to_be_bytes();
            let source = Source::new(Some([10, 1, high, low].into()), false);
            archive.append(slot, message(0), source, now);
        }
        assert_eq!(kept(&archive, slot), 208, "each takes 224 bytes and an account of 256, but one");
    }

    #[test]
    fn a_client_that_fills_many_rooms_takes_nothing_from_rooms_that_hold_less() {
        let (mut archive, now, quiet) = (Archive::new(20_000), Instant::now(), RoomSlot(0));
        archive.open(quiet, LIMITS);
        let before = archive.get(quiet).position();
        archive.append(quiet, message(100), source(1), now);
        for slot in (1..=50).map(RoomSlot) {
            archive.open(slot, LIMITS);
            for _ in 0..20 {
                archive.append(slot, message(872), source(2), now);
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
        archive.append(slot, message(1), source(1), now);
        assert!(!archive.expire_some(now + Duration::from_secs(9), 1));
        assert_eq!(archive.take_emptied(), []);
        archive.expire_some(now + Duration::from_secs(10), 1);
        assert_eq!((archive.take_emptied(), archive.take_emptied()), (vec![slot], vec![]));
        archive.close(slot);
        assert!(archive.histories.capacity() == 0 && archive.accounts.is_empty(), "memory is given back");
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
                        archive.append(slot, message(bytes), source(pause as u8 % 3), now);
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
                archive.accounts.check(open.iter().flat_map(|(slot, entry)| {
                    entry.history.iter().map(|message| (*slot, message.account, message.cost()))
                }));
                prop_assert!(open.iter().all(|(_, entry)| entry.due.is_some() == (entry.history.messages() > 0)
                    && entry.due <= entry.history.expires()));
            }
        }
    }
}
