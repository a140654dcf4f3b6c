//! The rooms of this node with their histories, as plain data: a room lives while it has members or
//! a history.

use crate::{
    backplane::{Arrival, Asker, Backplane, NoticeList, Submission},
    config::RoomName,
    history::HistoryRequest,
    ids::{RelayId, RoomSlot},
    limits::{Flow, Source},
    policy::Policy,
    room::{Room, RoomPolicy, Rooms, TooManyRooms},
};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// The members of rooms, and the backplane that makes their order. Neither knows the other: this
/// type opens a room in both, and ends it when both are done with it.
pub struct RoomStore {
    pub rooms: Rooms,
    pub backplane: Backplane,
}

impl RoomStore {
    pub fn new(policy: &Policy, backplane: Backplane) -> Self {
        Self { rooms: Rooms::new(policy.limits.rooms, Flow::of(policy.session.outbox)), backplane }
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
        policy: impl FnOnce() -> Arc<RoomPolicy>,
        now: Instant,
    ) -> Result<RoomSlot, TooManyRooms> {
        let opened = self.rooms.open(name, source, policy, now)?;
        if let Some(gave_way) = opened.gave_way {
            self.backplane.forget(gave_way);
        }
        if let Some(limits) = opened.begins {
            self.backplane.open(opened.slot, name, limits);
        }
        Ok(opened.slot)
    }

    /// Counts one member more in an open room.
    pub fn join(&mut self, slot: RoomSlot, relay: RelayId, source: Source, now: Instant) {
        let clients = self.rooms.join(slot, relay, source).members.count();
        self.backplane.set_clients(slot, clients, now);
    }

    /// Counts one member less.
    pub fn leave(&mut self, name: &RoomName, relay: RelayId, now: Instant) {
        if let Some(slot) = self.rooms.leave(name, relay, now) {
            let clients = self.rooms.get(slot).map_or(0, |room| room.members.count());
            self.backplane.set_clients(slot, clients, now);
            self.end_if_over(slot, now);
        }
    }

    /// Submits messages of an open room.
    pub fn submit(&mut self, submission: Submission, now: Instant, arrived: &mut VecDeque<Arrival>) {
        let room = submission.room;
        self.backplane.submit(submission, now, arrived);
        self.hold(room);
    }

    /// Announces joins and leaves in an open room.
    pub fn announce(&mut self, notices: NoticeList, arrived: &mut VecDeque<Arrival>) {
        let room = notices.room;
        self.backplane.announce(notices, arrived);
        self.hold(room);
    }

    /// Asks for a part of the history of an open room.
    pub fn recall(
        &mut self,
        room: RoomSlot,
        request: HistoryRequest,
        asker: Asker,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        self.backplane.recall(room, request, asker, now, arrived);
        self.hold(room);
    }

    /// Keeps the room while something in it is pending, even if it has no member.
    fn hold(&mut self, room: RoomSlot) {
        if self.backplane.is_pending(room) {
            self.rooms.hold(room, true);
        }
    }

    /// Ends the room if this arrival was all that kept it.
    pub fn end_after_arrival(&mut self, room: RoomSlot, now: Instant) {
        if !self.backplane.is_pending(room) {
            self.rooms.hold(room, false);
            self.end_if_over(room, now);
        }
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired
    /// messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        let more = self.backplane.expire_some(now, max_rooms);
        self.end_emptied(now);
        more
    }

    /// Ends the rooms that lived by a history that has become empty.
    pub fn end_emptied(&mut self, now: Instant) {
        for slot in self.backplane.take_emptied() {
            self.end_if_over(slot, now);
        }
    }

    /// Ends the room if it has no member, nothing in it is pending, and its history is not needed
    /// here.
    pub fn end_if_over(&mut self, slot: RoomSlot, now: Instant) {
        let is_deserted = |room: &Room| room.members.is_empty() && !self.backplane.is_pending(slot);
        if self.rooms.get(slot).is_some_and(is_deserted) && self.backplane.is_over(slot, now) {
            self.rooms.end(slot);
            self.backplane.forget(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backplane::Pending,
        history::{HistoryLimits, Message, Usage},
        testing::message,
    };
    use proptest::prelude::*;
    use smallvec::smallvec;
    use std::time::Duration;

    const A: RelayId = RelayId(0);
    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 10, age: Duration::from_secs(10), bytes: usize::MAX };
    const NOTHING: HistoryLimits = HistoryLimits { messages: 0, ..LIMITS };

    fn store(max_rooms: usize, max_bytes: usize) -> RoomStore {
        let mut policy = Policy::default();
        policy.limits.rooms = max_rooms;
        policy.limits.history_bytes_total = max_bytes;
        RoomStore::new(&policy, Backplane::single(max_bytes, policy.idempotency))
    }

    /// Publishes `bytes` in the room at `slot`.
    fn append(store: &mut RoomStore, slot: RoomSlot, bytes: usize, now: Instant) -> Arc<Message> {
        let pending = Pending { speaker: None, permit: None, reply: None };
        let messages = smallvec![message(bytes)];
        let mut arrived = VecDeque::new();
        let submission = Submission { room: slot, messages, source: source(0), key: None, pending };
        store.submit(submission, now, &mut arrived);
        let Some(Arrival::Messages(mut ordered)) = arrived.pop_front() else { panic!("it has not arrived") };
        ordered.messages.remove(0)
    }

    fn expire(store: &mut RoomStore, now: Instant) {
        while store.expire_some(now, usize::MAX) {}
    }

    fn name(name: impl ToString) -> RoomName {
        name.to_string().parse().unwrap()
    }

    fn policy(history: HistoryLimits) -> impl FnOnce() -> Arc<RoomPolicy> {
        let usual = Policy::default().rooms.of(&name("any"));
        move || Arc::new(RoomPolicy { history, ..(*usual).clone() })
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
    fn publish(rooms: &mut RoomStore, source: Source, room: &str, now: Instant) {
        let slot = rooms.open(&name(room), source, policy(LIMITS), now).unwrap();
        append(rooms, slot, 1, now);
        rooms.end_if_over(slot, Instant::now());
    }

    fn join(rooms: &mut RoomStore, room: &str, limits: HistoryLimits) -> RoomSlot {
        let slot = open(rooms, room, limits).unwrap();
        rooms.rooms.join(slot, A, source(0));
        slot
    }

    fn leave(rooms: &mut RoomStore, room: &str) {
        rooms.leave(&name(room), A, Instant::now());
    }

    #[test]
    fn rooms_have_slots_of_their_own_and_slots_are_used_again() {
        let mut rooms = store(10, 0);
        let news = join(&mut rooms, "news", NOTHING);
        let sport = join(&mut rooms, "sport", NOTHING);
        assert_ne!(news, sport);
        assert_eq!(join(&mut rooms, "news", NOTHING), news);
        leave(&mut rooms, "sport");
        assert_eq!(join(&mut rooms, "weather", NOTHING), sport);
        assert_ne!(join(&mut rooms, "sport", NOTHING), sport);
    }

    #[test]
    fn a_room_without_members_lives_as_long_as_its_history() {
        let mut rooms = store(10, 1 << 20);
        let (now, news) = (Instant::now(), join(&mut rooms, "news", LIMITS));
        let message = append(&mut rooms, news, 1, now);
        leave(&mut rooms, "news");
        expire(&mut rooms, now + Duration::from_secs(9));
        assert_eq!(
            rooms.backplane.history(rooms.rooms.find(&name("news")).unwrap().slot()).position().offset,
            message.position.offset
        );
        expire(&mut rooms, now + Duration::from_secs(10));
        assert_eq!((rooms.rooms.count(), rooms.rooms.deserted()), (0, 0));
        assert_eq!(rooms.backplane.usage(), Usage::default());
    }

    #[test]
    fn a_room_with_members_outlives_its_history() {
        let mut rooms = store(10, 1 << 20);
        let (now, news) = (Instant::now(), join(&mut rooms, "news", LIMITS));
        let before = rooms.backplane.history(news).position();
        append(&mut rooms, news, 1, now);
        expire(&mut rooms, now + Duration::from_secs(10));
        assert!(rooms.backplane.history(news).after(before).is_none());
        leave(&mut rooms, "news");
        assert_eq!(rooms.rooms.count(), 0);
    }

    #[test]
    fn the_longest_deserted_room_gives_way_and_an_occupied_one_never_does() {
        let mut rooms = store(2, 1 << 20);
        for room in ["first", "second"] {
            let slot = join(&mut rooms, room, LIMITS);
            append(&mut rooms, slot, 1, Instant::now());
        }
        assert_eq!(open(&mut rooms, "third", LIMITS), Err(TooManyRooms));
        leave(&mut rooms, "second");
        leave(&mut rooms, "first");
        join(&mut rooms, "third", LIMITS);
        assert!(rooms.rooms.find(&name("second")).is_none() && rooms.rooms.find(&name("first")).is_some());
        join(&mut rooms, "first", LIMITS);
        assert_eq!(open(&mut rooms, "fourth", LIMITS), Err(TooManyRooms));
    }

    #[test]
    fn a_source_that_opens_many_rooms_ends_its_own() {
        let (mut rooms, now) = (store(10, 1 << 20), Instant::now());
        let (quiet, flooder) = (source(1), source(2));
        let later = |seconds| now + Duration::from_millis(seconds);
        publish(&mut rooms, quiet, "quiet", now);
        publish(&mut rooms, source(3), "other", now);
        (0..100).for_each(|number| publish(&mut rooms, flooder, &number.to_string(), later(number)));
        assert_eq!(rooms.rooms.count(), 10);
        publish(&mut rooms, source(4), "new", later(200));
        for room in ["quiet", "other", "new"] {
            assert!(rooms.rooms.find(&name(room)).is_some(), "{room}");
        }
        let left: Vec<_> = rooms.rooms.after(None).map(|room| room.name().to_string()).collect();
        assert_eq!(left, ["93", "94", "95", "96", "97", "98", "99", "new", "other", "quiet"]);
    }

    #[test]
    fn a_room_that_several_sources_use_ends_after_those_of_one_source() {
        let (mut rooms, now) = (store(4, 1 << 20), Instant::now());
        let later = |seconds| now + Duration::from_millis(seconds);
        publish(&mut rooms, source(1), "lobby", now);
        publish(&mut rooms, source(2), "lobby", now);
        (1..50).for_each(|number| publish(&mut rooms, source(1), &number.to_string(), later(number)));
        assert!(rooms.rooms.find(&name("lobby")).is_some());
    }

    #[test]
    fn among_equal_sources_the_opener_ends_its_own_room_else_the_longest_deserted_ends() {
        let (mut rooms, now) = (store(3, 1 << 20), Instant::now());
        let later = |seconds| now + Duration::from_millis(seconds);
        for number in [3, 1, 2] {
            publish(&mut rooms, source(number), &number.to_string(), later(9 - u64::from(number)));
        }
        publish(&mut rooms, source(1), "new", later(20));
        assert!(rooms.rooms.find(&name("1")).is_none());
        publish(&mut rooms, source(4), "newer", later(21));
        assert!(rooms.rooms.find(&name("3")).is_none() && rooms.rooms.find(&name("2")).is_some());
    }

    #[test]
    fn a_room_does_not_end_while_a_message_is_published_in_it() {
        let mut rooms = store(10, 200);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        for offset in ["1", "2"] {
            let message = append(&mut rooms, slot, 1000, Instant::now());
            assert_eq!(message.position.offset.to_string(), offset);
        }
        rooms.end_if_over(slot, Instant::now());
        assert_eq!(rooms.rooms.count(), 0);
    }

    #[test]
    fn a_message_without_receiver_and_history_leaves_no_room_behind() {
        let mut rooms = store(10, 0);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        append(&mut rooms, slot, 1, Instant::now());
        rooms.end_if_over(slot, Instant::now());
        assert_eq!(rooms.rooms.count(), 0);
    }

    proptest! {
        /// The counts of rooms and bytes agree with the rooms, whatever is opened, joined,
        /// published and forgotten.
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
                    (3, Ok(slot)) => drop(rooms.rooms.join(slot, A, source(bytes as u8 % 3))),
                    (4, _) => rooms.leave(&name(room), A, now),
                    (_, _) => expire(&mut rooms, now),
                }
                rooms.end_emptied(now);
                if let Ok(slot) = opened {
                    rooms.end_if_over(slot, Instant::now());
                }
                let living: Vec<_> = rooms.rooms.after(None).collect();
                let usage = living.iter().fold(Usage::default(), |sum, room| {
                    let history = rooms.backplane.history(room.slot());
                    Usage { messages: sum.messages + history.messages(), bytes: sum.bytes + history.bytes() }
                });
                prop_assert_eq!(rooms.backplane.usage(), usage);
                prop_assert!(usage.bytes <= MAX_BYTES && rooms.rooms.count() <= 4 && rooms.rooms.count() == living.len());
                let deserted = living.iter().filter(|room| room.members.is_empty()).count();
                prop_assert_eq!(rooms.rooms.deserted(), deserted);
                prop_assert!(living.iter().all(|room| !room.members.is_empty() || rooms.backplane.history(room.slot()).messages() > 0));
            }
        }
    }
}
