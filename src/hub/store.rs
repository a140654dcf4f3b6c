//! The rooms of this node with their histories, as plain data: a room lives while it has members or
//! a history.

use crate::{
    backplane::{Arrival, Backplane, Submission},
    config::{RoomName, Settings},
    history::{History, HistoryRequest, HistorySlice, Usage},
    ids::{RelayId, RoomSlot},
    limits::{Flow, Source},
    room::{Presence, Room, RoomPolicy, Rooms, TooManyRooms},
};
use std::time::Instant;

/// The members of rooms, and the backplane that makes their order. Neither knows the other; this type ends a room when
/// both are done with it.
pub struct RoomStore {
    rooms: Rooms,
    pub backplane: Backplane,
}

impl RoomStore {
    pub fn new(settings: &Settings) -> Self {
        Self {
            rooms: Rooms::new(settings.limits.rooms, Flow::of(settings)),
            backplane: Backplane::new(settings),
        }
    }

    pub fn find(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.find(name)
    }

    /// The room at a slot that [`RoomStore::open`] returned; `None` after its end.
    pub fn get(&self, slot: RoomSlot) -> Option<&Room> {
        self.rooms.get(slot)
    }

    /// The rooms after `name` in the order of names; all rooms without one.
    pub fn after(&self, name: Option<&RoomName>) -> impl Iterator<Item = &Room> {
        self.rooms.after(name)
    }

    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    pub fn history(&self, room: &Room) -> &History {
        self.backplane.history(room.slot())
    }

    pub fn usage(&self) -> Usage {
        self.backplane.usage()
    }

    pub fn presence(&mut self, slot: RoomSlot) -> &mut Presence {
        self.rooms.presence(slot)
    }

    /// The room of this name, which begins now if there is none. At the bound a room without
    /// members gives way: one of the source that holds most rooms.
    ///
    /// # Errors
    /// If `source` holds its share of the rooms, and none may give way to another.
    pub fn open(
        &mut self,
        name: &RoomName,
        source: Source,
        policy: impl FnOnce() -> RoomPolicy,
        now: Instant,
    ) -> Result<RoomSlot, TooManyRooms> {
        let opened = self.rooms.open(name, source, policy, now)?;
        if let Some(gave_way) = opened.gave_way {
            self.backplane.close(gave_way);
        }
        if let Some(limits) = opened.begins {
            self.backplane.open(opened.slot, limits);
        }
        Ok(opened.slot)
    }

    /// Counts one more member at `relay`; returns the room and the part of its history that the member receives.
    pub fn join(
        &mut self,
        slot: RoomSlot,
        relay: RelayId,
        source: Source,
        request: HistoryRequest,
    ) -> (&Room, HistorySlice) {
        let slice = self.backplane.history(slot).slice(request);
        (self.rooms.join(slot, relay, source), slice)
    }

    /// Counts one member less.
    pub fn leave(&mut self, name: &RoomName, relay: RelayId, now: Instant) {
        if let Some(slot) = self.rooms.leave(name, relay, now) {
            self.end_if_over(slot);
        }
    }

    /// Submits messages of an open room; their arrivals are appended to `arrived`.
    pub fn submit(&mut self, submission: Submission, now: Instant, arrived: &mut Vec<Arrival>) {
        self.backplane.submit(submission, now, arrived);
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        let more = self.backplane.expire_some(now, max_rooms);
        self.end_emptied();
        more
    }

    /// Ends the rooms that lived by a history that has become empty.
    pub fn end_emptied(&mut self) {
        for slot in self.backplane.take_emptied() {
            self.end_if_over(slot);
        }
    }

    /// Ends the room if it has neither a member nor a history.
    pub fn end_if_over(&mut self, slot: RoomSlot) {
        let is_over = |room: &Room| room.members.is_empty() && self.history(room).messages() == 0;
        if self.get(slot).is_some_and(is_over) {
            self.rooms.end(slot);
            self.backplane.close(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backplane::Pending,
        config::ByteSize,
        history::{HistoryLimits, Message},
        testing::message,
    };
    use proptest::prelude::*;
    use smallvec::smallvec;
    use std::{sync::Arc, time::Duration};

    const A: RelayId = RelayId(0);
    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 10, age: Duration::from_secs(10), bytes: usize::MAX };
    const NOTHING: HistoryLimits = HistoryLimits { messages: 0, ..LIMITS };

    fn store(max_rooms: usize, max_bytes: usize) -> RoomStore {
        let mut settings = Settings::default();
        settings.limits.rooms = max_rooms;
        settings.limits.history_bytes_total = ByteSize::from_bytes(max_bytes);
        RoomStore::new(&settings)
    }

    /// Publishes `bytes` in the room at `slot`.
    fn append(store: &mut RoomStore, slot: RoomSlot, bytes: usize, now: Instant) -> Arc<Message> {
        let pending = Pending { speaker: None, permit: None, reply: None };
        let messages = smallvec![message(bytes)];
        let mut arrived = Vec::new();
        let submission = Submission { room: slot, messages, source: source(0), key: None, pending };
        store.submit(submission, now, &mut arrived);
        arrived.remove(0).messages.remove(0)
    }

    fn expire(store: &mut RoomStore, now: Instant) {
        while store.expire_some(now, usize::MAX) {}
    }

    fn name(name: impl ToString) -> RoomName {
        name.to_string().parse().unwrap()
    }

    fn policy(history: HistoryLimits) -> impl FnOnce() -> RoomPolicy {
        move || RoomPolicy { history, greeting: None, presence: false, clients: usize::MAX }
    }

    fn source(number: u8) -> Source {
        Source::new(Some([10, 0, 0, number].into()), false)
    }

    /// Opens a room of one source.
    fn open(
        rooms: &mut RoomStore,
        room: impl ToString,
        limits: HistoryLimits,
    ) -> Result<RoomSlot, TooManyRooms> {
        rooms.open(&name(room), source(0), policy(limits), Instant::now())
    }

    /// A room without members in which `source` has published.
    fn says(rooms: &mut RoomStore, source: Source, room: &str, now: Instant) {
        let slot = rooms.open(&name(room), source, policy(LIMITS), now).unwrap();
        append(rooms, slot, 1, now);
        rooms.end_if_over(slot);
    }

    fn comes(rooms: &mut RoomStore, room: &str, limits: HistoryLimits) -> RoomSlot {
        let slot = open(rooms, room, limits).unwrap();
        rooms.join(slot, A, source(0), HistoryRequest::default());
        slot
    }

    fn goes(rooms: &mut RoomStore, room: &str) {
        rooms.leave(&name(room), A, Instant::now());
    }

    #[test]
    fn rooms_have_slots_of_their_own_and_slots_are_used_again() {
        let mut rooms = store(10, 0);
        let news = comes(&mut rooms, "news", NOTHING);
        let sport = comes(&mut rooms, "sport", NOTHING);
        assert_ne!(news, sport);
        assert_eq!(comes(&mut rooms, "news", NOTHING), news);
        goes(&mut rooms, "sport");
        assert_eq!(comes(&mut rooms, "weather", NOTHING), sport);
        assert_ne!(comes(&mut rooms, "sport", NOTHING), sport);
    }

    #[test]
    fn a_room_without_members_lives_as_long_as_its_history() {
        let mut rooms = store(10, 1 << 20);
        let (now, news) = (Instant::now(), comes(&mut rooms, "news", LIMITS));
        let message = append(&mut rooms, news, 1, now);
        goes(&mut rooms, "news");
        expire(&mut rooms, now + Duration::from_secs(9));
        assert_eq!(
            rooms.history(rooms.find(&name("news")).unwrap()).position().offset,
            message.position.offset
        );
        expire(&mut rooms, now + Duration::from_secs(10));
        assert_eq!((rooms.len(), rooms.rooms.deserted()), (0, 0));
        assert_eq!(rooms.usage(), Usage::default());
    }

    #[test]
    fn a_room_with_members_outlives_its_history() {
        let mut rooms = store(10, 1 << 20);
        let (now, news) = (Instant::now(), comes(&mut rooms, "news", LIMITS));
        let before = rooms.backplane.history(news).position();
        append(&mut rooms, news, 1, now);
        expire(&mut rooms, now + Duration::from_secs(10));
        assert!(rooms.backplane.history(news).after(before).is_none());
        goes(&mut rooms, "news");
        assert_eq!(rooms.len(), 0);
    }

    #[test]
    fn the_longest_deserted_room_makes_place_and_an_occupied_one_never_does() {
        let mut rooms = store(2, 1 << 20);
        for room in ["first", "second"] {
            let slot = comes(&mut rooms, room, LIMITS);
            append(&mut rooms, slot, 1, Instant::now());
        }
        assert_eq!(open(&mut rooms, "third", LIMITS), Err(TooManyRooms));
        goes(&mut rooms, "second");
        goes(&mut rooms, "first");
        comes(&mut rooms, "third", LIMITS);
        assert!(rooms.find(&name("second")).is_none() && rooms.find(&name("first")).is_some());
        comes(&mut rooms, "first", LIMITS);
        assert_eq!(open(&mut rooms, "fourth", LIMITS), Err(TooManyRooms));
    }

    #[test]
    fn who_opens_many_rooms_takes_the_place_of_its_own() {
        let (mut rooms, now) = (store(10, 1 << 20), Instant::now());
        let (quiet, floods) = (source(1), source(2));
        let later = |seconds| now + Duration::from_millis(seconds);
        says(&mut rooms, quiet, "quiet", now);
        says(&mut rooms, source(3), "other", now);
        (0..100).for_each(|number| says(&mut rooms, floods, &number.to_string(), later(number)));
        assert_eq!(rooms.len(), 10);
        says(&mut rooms, source(4), "new", later(200));
        for room in ["quiet", "other", "new"] {
            assert!(rooms.find(&name(room)).is_some(), "{room}");
        }
        let left: Vec<_> = rooms.after(None).map(|room| room.name().to_string()).collect();
        assert_eq!(left, ["93", "94", "95", "96", "97", "98", "99", "new", "other", "quiet"]);
    }

    #[test]
    fn a_room_that_others_use_goes_after_those_that_they_do_not_whoever_opened_it() {
        let (mut rooms, now) = (store(4, 1 << 20), Instant::now());
        let later = |seconds| now + Duration::from_millis(seconds);
        says(&mut rooms, source(1), "lobby", now);
        says(&mut rooms, source(2), "lobby", now);
        (1..50).for_each(|number| says(&mut rooms, source(1), &number.to_string(), later(number)));
        assert!(rooms.find(&name("lobby")).is_some());
    }

    #[test]
    fn of_sources_with_as_many_rooms_the_opener_takes_its_own_and_else_the_longest_deserted_goes() {
        let (mut rooms, now) = (store(3, 1 << 20), Instant::now());
        let later = |seconds| now + Duration::from_millis(seconds);
        for number in [3, 1, 2] {
            says(&mut rooms, source(number), &number.to_string(), later(9 - u64::from(number)));
        }
        says(&mut rooms, source(1), "new", later(20));
        assert!(rooms.find(&name("1")).is_none());
        says(&mut rooms, source(4), "newer", later(21));
        assert!(rooms.find(&name("3")).is_none() && rooms.find(&name("2")).is_some());
    }

    #[test]
    fn a_room_goes_on_while_something_is_said_in_it() {
        let mut rooms = store(10, 200);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        for offset in ["1", "2"] {
            let message = append(&mut rooms, slot, 1000, Instant::now());
            assert_eq!(message.position.offset.to_string(), offset);
        }
        rooms.end_if_over(slot);
        assert_eq!(rooms.len(), 0);
    }

    #[test]
    fn what_is_said_to_nobody_and_not_remembered_leaves_no_room_behind() {
        let mut rooms = store(10, 0);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        append(&mut rooms, slot, 1, Instant::now());
        rooms.end_if_over(slot);
        assert_eq!(rooms.len(), 0);
    }

    proptest! {
        /// The counts of rooms and bytes agree with the rooms, whatever is opened, joined, published and forgotten.
        #[test]
        fn all_rooms_together_stay_within_their_bounds(
            steps in prop::collection::vec((0..6_u8, 0..5_u32, 0..600_usize, 0..3000_u64), 1..120),
        ) {
            const MAX_BYTES: usize = 2000;
            let (mut rooms, mut now) = (store(4, MAX_BYTES), Instant::now());
            for (step, room, bytes, pause) in steps {
                now += Duration::from_millis(pause);
                let opened = rooms.open(&name(room), source(bytes as u8 % 3), policy(LIMITS), now);
                match (step, opened) {
                    (0..3, Ok(slot)) => drop(append(&mut rooms, slot, bytes, now)),
                    (3, Ok(slot)) => drop(rooms.join(slot, A, source(bytes as u8 % 3), HistoryRequest::default())),
                    (4, _) => rooms.leave(&name(room), A, now),
                    (_, _) => expire(&mut rooms, now),
                }
                rooms.end_emptied();
                if let Ok(slot) = opened {
                    rooms.end_if_over(slot);
                }
                let living: Vec<_> = rooms.after(None).collect();
                let usage = living.iter().fold(Usage::default(), |sum, room| {
                    let history = rooms.history(room);
                    Usage { messages: sum.messages + history.messages(), bytes: sum.bytes + history.bytes() }
                });
                prop_assert_eq!(rooms.usage(), usage);
                prop_assert!(usage.bytes <= MAX_BYTES && rooms.len() <= 4 && rooms.len() == living.len());
                let deserted = living.iter().filter(|room| room.members.is_empty()).count();
                prop_assert_eq!(rooms.rooms.deserted(), deserted);
                prop_assert!(living.iter().all(|room| !room.members.is_empty() || rooms.history(room).messages() > 0));
            }
        }
    }
}
