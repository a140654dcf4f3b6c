//! All rooms: found by name, kept by slot. A room lives while somebody is in it or its history lasts.

use super::{Presence, Room, RoomPolicy, deserted::Deserted};
use crate::{
    config::RoomName,
    history::{History, HistoryTotals, Message, NewMessage, SizeClass, Usage},
    ids::{RelayId, RoomSlot},
    limits::{Flow, Source},
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
    time::Instant,
};

pub struct Rooms {
    by_name: HashMap<RoomName, RoomSlot>,
    /// The same in the order of their names, for lists.
    in_order: BTreeMap<RoomName, RoomSlot>,
    rooms: Vec<Option<Room>>,
    free: Vec<RoomSlot>,
    most: usize,
    flow: Flow,
    totals: HistoryTotals,
    deserted: Deserted,
}

/// There are as many rooms as there may be, and somebody is in each of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TooManyRooms;

impl Rooms {
    /// At most `most` rooms, which remember at most `most_bytes` together; each has a flow like this one.
    pub fn new(most: usize, most_bytes: usize, flow: Flow) -> Self {
        Self {
            by_name: HashMap::new(),
            in_order: BTreeMap::new(),
            rooms: Vec::new(),
            free: Vec::new(),
            most,
            flow,
            totals: HistoryTotals::new(most_bytes),
            deserted: Deserted::new(),
        }
    }

    pub fn find(&self, name: &RoomName) -> Option<&Room> {
        self.by_name.get(name).and_then(|slot| self.get(*slot))
    }

    /// The rooms that follow `name` in the order of names; all of them without one.
    pub fn after(&self, name: Option<&RoomName>) -> impl Iterator<Item = &Room> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.in_order.range((from, Bound::Unbounded)).filter_map(|(_, slot)| self.get(*slot))
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What all rooms together remember.
    pub fn usage(&self) -> Usage {
        self.totals.usage()
    }

    /// The room of this name for `source`, which begins now if there is none. Where there are as many as there may be, a
    /// deserted room of the source that opened most of the deserted ones gives way.
    pub fn open(
        &mut self,
        name: &RoomName,
        source: Source,
        policy: impl FnOnce() -> RoomPolicy,
        now: Instant,
    ) -> Result<RoomSlot, TooManyRooms> {
        if let Some(slot) = self.by_name.get(name).copied() {
            self.share(slot, source);
            return Ok(slot);
        }
        if self.len() >= self.most {
            let deserted = self.deserted.first_to_go(source).ok_or(TooManyRooms)?;
            self.remove(deserted);
        }
        Ok(self.insert(name.clone(), source, policy(), now))
    }

    /// Notes that `source` uses a room, perhaps one that another has opened.
    fn share(&mut self, slot: RoomSlot, source: Source) {
        let room = self.get_mut(slot);
        if room.is_shared || room.opened_by == source {
            return;
        }
        let before = room.deserted();
        room.is_shared = true;
        if let Some((before, after)) = before.zip(room.deserted()) {
            self.deserted.remove(before);
            self.deserted.insert(after);
        }
    }

    /// Counts one more member at `relay`.
    pub fn join(&mut self, slot: RoomSlot, relay: RelayId) -> &Room {
        let room = self.get_mut(slot);
        room.members.add(relay);
        let before = room.deserted();
        room.deserted_since = None;
        if let Some(deserted) = before {
            self.deserted.remove(deserted);
        }
        self.get_mut(slot)
    }

    /// Counts one member less.
    pub fn leave(&mut self, name: &RoomName, relay: RelayId, now: Instant) {
        let Some(slot) = self.by_name.get(name).copied() else { return };
        let room = self.get_mut(slot);
        room.members.remove(relay);
        if room.members.is_empty() && room.deserted_since.is_none() {
            room.deserted_since = Some(now);
            let deserted = room.deserted();
            deserted.inspect(|deserted| self.deserted.insert(*deserted));
        }
        self.end_if_over(slot);
    }

    /// Puts something said into the order of its room, and into its memory.
    pub fn append(&mut self, slot: RoomSlot, message: NewMessage, now: Instant) -> Arc<Message> {
        let message = self.change_history(slot, |history| history.append(message, now));
        while self.totals.is_overfull() {
            self.forget_of_largest(slot);
        }
        message
    }

    /// Forgets what is too old at `now`, and ends the rooms that live by it alone.
    pub fn expire(&mut self, now: Instant) {
        while self.expire_some(now, usize::MAX) {}
    }

    /// The same for at most `most` rooms; `true` if more of them have something to forget.
    pub fn expire_some(&mut self, now: Instant, most: usize) -> bool {
        for _ in 0..most {
            let Some((_, slot)) = self.totals.first().filter(|(due, _)| *due <= now) else { return false };
            self.change_history(slot, |history| history.forget_expired(now));
            self.reschedule(slot);
            self.end_if_over(slot);
        }
        self.totals.first().is_some_and(|(due, _)| due <= now)
    }

    /// Ends the room if nobody is in it and nothing of it is remembered.
    pub fn end_if_over(&mut self, slot: RoomSlot) {
        let over = |room: &Room| room.members.is_empty() && room.history.messages() == 0;
        if self.get(slot).is_some_and(over) {
            self.remove(slot);
        }
    }

    /// The room at a slot that [`Rooms::open`] gave; none when it has ended since.
    pub fn get(&self, slot: RoomSlot) -> Option<&Room> {
        self.rooms.get(slot.index())?.as_ref()
    }

    /// Who is in the room at this slot, to be changed.
    pub fn presence(&mut self, slot: RoomSlot) -> &mut Presence {
        &mut self.get_mut(slot).presence
    }

    fn get_mut(&mut self, slot: RoomSlot) -> &mut Room {
        self.rooms[slot.index()].as_mut().expect("a slot is known while its room lives")
    }

    fn insert(&mut self, name: RoomName, source: Source, policy: RoomPolicy, now: Instant) -> RoomSlot {
        let next = RoomSlot(self.rooms.len() as u32);
        let slot = self.free.pop().unwrap_or(next);
        if slot == next {
            self.rooms.push(None);
        }
        self.by_name.insert(name.clone(), slot);
        self.in_order.insert(name.clone(), slot);
        let room = Room::new(name, slot, self.flow.fresh(), policy, source, now);
        room.deserted().inspect(|deserted| self.deserted.insert(*deserted));
        self.rooms[slot.index()] = Some(room);
        slot
    }

    fn remove(&mut self, slot: RoomSlot) {
        let Some(room) = self.rooms[slot.index()].take() else { return };
        self.totals.change(room.usage(), Usage::default());
        self.totals.resize(slot, room.size, None);
        if let Some(due) = room.due {
            self.totals.unschedule(slot, due);
        }
        if let Some(deserted) = room.deserted() {
            self.deserted.remove(deserted);
        }
        self.by_name.remove(&room.name);
        self.in_order.remove(&room.name);
        self.free.push(slot);
        self.give_back();
    }

    /// After a crowd has left, its memory goes too.
    fn give_back(&mut self) {
        if self.by_name.is_empty() {
            (self.by_name, self.rooms, self.free) = Default::default();
        }
    }

    /// Changes a history, and keeps the books of all of them.
    fn change_history<T>(&mut self, slot: RoomSlot, change: impl FnOnce(&mut History) -> T) -> T {
        let room = self.get_mut(slot);
        let before = room.usage();
        let changed = change(&mut room.history);
        let (after, is_scheduled, listed) = (room.usage(), room.due.is_some(), room.size);
        self.totals.change(before, after);
        if SizeClass::of(after.bytes) > listed {
            self.resize(slot);
        }
        if !is_scheduled {
            self.reschedule(slot);
        }
        changed
    }

    /// Gives the room the place of its oldest message among those that will forget something.
    fn reschedule(&mut self, slot: RoomSlot) {
        let room = self.get_mut(slot);
        let expires = room.history.expires();
        let due = std::mem::replace(&mut room.due, expires);
        due.inspect(|due| self.totals.unschedule(slot, *due));
        expires.inspect(|expires| self.totals.schedule(slot, *expires));
    }

    /// Gives the room the place of its size among those that hold something.
    fn resize(&mut self, slot: RoomSlot) {
        let room = self.get_mut(slot);
        let size = SizeClass::of(room.history.bytes());
        let listed = std::mem::replace(&mut room.size, size);
        self.totals.resize(slot, listed, size);
    }

    /// Forgets the oldest message of the room that holds most, so that nobody who fills rooms takes from those that
    /// hold less. The room that speaks goes on, even if nothing stays of it.
    fn forget_of_largest(&mut self, speaks: RoomSlot) {
        let (listed, slot) = self.totals.largest().expect("rooms hold more than they may");
        if SizeClass::of(self.get_mut(slot).history.bytes()) != Some(listed) {
            return self.resize(slot);
        }
        self.change_history(slot, History::forget_oldest);
        self.resize(slot);
        self.reschedule(slot);
        if slot != speaks {
            self.end_if_over(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        history::{Audience, HistoryLimits},
        wire::Payload,
    };
    use proptest::prelude::*;
    use std::{collections::BTreeSet, time::Duration};

    const A: RelayId = RelayId(0);
    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 10, age: Duration::from_secs(10), bytes: usize::MAX };
    const NOTHING: HistoryLimits = HistoryLimits { messages: 0, ..LIMITS };

    fn rooms(most: usize, most_bytes: usize) -> Rooms {
        Rooms::new(most, most_bytes, Flow::of(&Settings::default()))
    }

    fn name(name: impl ToString) -> RoomName {
        name.to_string().parse().unwrap()
    }

    fn policy(history: HistoryLimits) -> impl FnOnce() -> RoomPolicy {
        move || RoomPolicy { history, greeting: None, presence: false, clients: usize::MAX }
    }

    fn message(bytes: usize) -> NewMessage {
        NewMessage {
            payload: Payload::Binary(vec![0; bytes].into()),
            who: None,
            audience: Audience::Everyone,
        }
    }

    fn source(number: u8) -> Source {
        Source::new(Some([10, 0, 0, number].into()), false)
    }

    /// Opens a room of one source.
    fn open(rooms: &mut Rooms, room: impl ToString, limits: HistoryLimits) -> Result<RoomSlot, TooManyRooms> {
        rooms.open(&name(room), source(0), policy(limits), Instant::now())
    }

    /// A room in which `source` has said something, and in which nobody is.
    fn says(rooms: &mut Rooms, source: Source, room: &str, now: Instant) {
        let slot = rooms.open(&name(room), source, policy(LIMITS), now).unwrap();
        rooms.append(slot, message(1), now);
        rooms.end_if_over(slot);
    }

    fn comes(rooms: &mut Rooms, room: &str, limits: HistoryLimits) -> RoomSlot {
        let slot = open(rooms, room, limits).unwrap();
        rooms.join(slot, A);
        slot
    }

    fn goes(rooms: &mut Rooms, room: &str) {
        rooms.leave(&name(room), A, Instant::now());
    }

    #[test]
    fn rooms_have_slots_of_their_own_and_slots_are_used_again() {
        let mut rooms = rooms(10, 0);
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
        let mut rooms = rooms(10, 1 << 20);
        let (now, news) = (Instant::now(), comes(&mut rooms, "news", LIMITS));
        let message = rooms.append(news, message(1), now);
        goes(&mut rooms, "news");
        rooms.expire(now + Duration::from_secs(9));
        assert_eq!(rooms.find(&name("news")).unwrap().position().offset, message.position.offset);
        rooms.expire(now + Duration::from_secs(10));
        assert!(rooms.is_empty() && rooms.totals.first().is_none() && rooms.deserted.len() == 0);
        assert_eq!(rooms.usage(), Usage::default());
    }

    #[test]
    fn a_room_with_members_outlives_its_history() {
        let mut rooms = rooms(10, 1 << 20);
        let (now, news) = (Instant::now(), comes(&mut rooms, "news", LIMITS));
        let before = rooms.get(news).unwrap().position();
        rooms.append(news, message(1), now);
        rooms.expire(now + Duration::from_secs(10));
        assert!(rooms.get(news).unwrap().history.after(before).is_none());
        goes(&mut rooms, "news");
        assert!(rooms.is_empty());
    }

    #[test]
    fn the_longest_deserted_room_makes_place_and_an_occupied_one_never_does() {
        let mut rooms = rooms(2, 1 << 20);
        for room in ["first", "second"] {
            let slot = comes(&mut rooms, room, LIMITS);
            rooms.append(slot, message(1), Instant::now());
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
        let (mut rooms, now) = (rooms(10, 1 << 20), Instant::now());
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
        let (mut rooms, now) = (rooms(4, 1 << 20), Instant::now());
        let later = |seconds| now + Duration::from_millis(seconds);
        says(&mut rooms, source(1), "lobby", now);
        says(&mut rooms, source(2), "lobby", now);
        (1..50).for_each(|number| says(&mut rooms, source(1), &number.to_string(), later(number)));
        assert!(rooms.find(&name("lobby")).is_some());
    }

    #[test]
    fn of_sources_with_as_many_rooms_the_opener_takes_its_own_and_else_the_longest_deserted_goes() {
        let (mut rooms, now) = (rooms(3, 1 << 20), Instant::now());
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
        let mut rooms = rooms(10, 200);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        for offset in ["1", "2"] {
            let message = rooms.append(slot, message(1000), Instant::now());
            assert_eq!(message.position.offset.to_string(), offset);
        }
        rooms.end_if_over(slot);
        assert!(rooms.is_empty());
    }

    #[test]
    fn what_is_said_to_nobody_and_not_remembered_leaves_no_room_behind() {
        let mut rooms = rooms(10, 0);
        let slot = open(&mut rooms, "news", LIMITS).unwrap();
        rooms.append(slot, message(1), Instant::now());
        rooms.end_if_over(slot);
        assert!(rooms.is_empty());
    }

    #[test]
    fn who_fills_many_rooms_takes_nothing_from_those_that_hold_less() {
        let (mut rooms, now) = (rooms(100, 20_000), Instant::now());
        let quiet = comes(&mut rooms, "quiet", LIMITS);
        let before = rooms.get(quiet).unwrap().position();
        rooms.append(quiet, message(100), now);
        for number in 0..50 {
            let flooded = comes(&mut rooms, &format!("flooded-{number}"), LIMITS);
            for _ in 0..20 {
                rooms.append(flooded, message(872), now);
                assert!(rooms.usage().bytes <= 20_000);
            }
        }
        assert_eq!(rooms.get(quiet).unwrap().history.after(before).unwrap().len(), 1);
        let usage = rooms.rooms.iter().flatten().map(|room| room.history.bytes());
        assert!(usage.max().unwrap() <= 2000, "all that were flooded gave alike");
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
        /// Whoever comes, goes, speaks or forgets: the books of all rooms agree with the rooms.
        #[test]
        fn all_rooms_together_stay_within_their_bounds(
            steps in prop::collection::vec((0..6_u8, 0..5_u32, 0..600_usize, 0..3000_u64), 1..120),
        ) {
            const MOST_BYTES: usize = 2000;
            let (mut rooms, mut now) = (rooms(4, MOST_BYTES), Instant::now());
            for (step, room, bytes, pause) in steps {
                now += Duration::from_millis(pause);
                let opened = rooms.open(&name(room), source(bytes as u8 % 3), policy(LIMITS), now);
                match (step, opened) {
                    (0..3, Ok(slot)) => drop(rooms.append(slot, message(bytes), now)),
                    (3, Ok(slot)) => drop(rooms.join(slot, A).slot()),
                    (4, _) => rooms.leave(&name(room), A, now),
                    (_, _) => rooms.expire(now),
                }
                if let Ok(slot) = opened {
                    rooms.end_if_over(slot);
                }
                let get_mut: Vec<_> = rooms.rooms.iter().flatten().collect();
                let all = |usage: fn(&Room) -> usize| get_mut.iter().map(|room| usage(room)).sum::<usize>();
                let usage = Usage {
                    messages: all(|room| room.history.messages()),
                    bytes: all(|room| room.history.bytes()),
                };
                prop_assert_eq!(rooms.usage(), usage);
                prop_assert!(usage.bytes <= MOST_BYTES && rooms.len() <= 4 && rooms.len() == get_mut.len());
                let deserted = get_mut.iter().filter(|room| room.members.is_empty()).count();
                prop_assert_eq!(rooms.deserted.len(), deserted);
                prop_assert!(get_mut.iter().all(|room| !room.members.is_empty() || room.history.messages() > 0));
                prop_assert!(get_mut.iter().all(|room| SizeClass::of(room.history.bytes()) <= room.size));
                let listed = get_mut.iter().filter_map(|room| Some((room.size?, room.slot)));
                prop_assert_eq!(listed.collect::<BTreeSet<_>>(), rooms.totals.sizes.clone());
                prop_assert!(get_mut.iter().all(|room| room.due.is_some() == (room.history.messages() > 0)
                    && room.due <= room.history.expires()));
            }
        }
    }
}
