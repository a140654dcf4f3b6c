//! Shares of rooms, compared with a model of what a source may open.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn source(number: u8) -> Source {
    Source::new(Some([10, 0, 0, number].into()), false)
}

/// The rooms of a model: the opener, and the holder if there are members.
struct Model {
    shares: RoomShares,
    rooms: Vec<(DesertedRoom, Option<Source>)>,
    clock: Instant,
    slots: u32,
}

impl Model {
    fn new(max_rooms: usize) -> Self {
        Self { shares: RoomShares::new(max_rooms), rooms: Vec::new(), clock: Instant::now(), slots: 0 }
    }

    /// Opens a room; returns false if it is refused.
    fn opens(&mut self, opener: u8) -> bool {
        match self.shares.space_for(source(opener)) {
            Ok(Space::Free) => {}
            Ok(Space::Of(slot)) => {
                let index = self.rooms.iter().position(|(room, _)| room.slot == slot).unwrap();
                let (room, holder) = self.rooms.swap_remove(index);
                assert_eq!(holder, None, "a room with members never gives way");
                self.shares.end(room);
            }
            Err(TooManyRooms) => return false,
        }
        (self.slots, self.clock) = (self.slots + 1, self.clock + Duration::from_millis(1));
        let (opened_by, slot) = (source(opener), RoomSlot(self.slots));
        let room = DesertedRoom { opened_by, is_shared: false, since: self.clock, slot };
        self.shares.begin(room);
        self.rooms.push((room, None));
        true
    }

    /// Joins the room that was opened last.
    fn occupies(&mut self, joiner: u8) {
        let (room, holder) = self.rooms.last_mut().unwrap();
        *holder = Some(source(joiner));
        self.shares.occupy(*room, source(joiner));
    }

    /// Opens a room with a member; returns false if it is refused.
    fn opens_and_occupies(&mut self, opener: u8) -> bool {
        let is_open = self.opens(opener);
        if is_open {
            self.occupies(opener);
        }
        is_open
    }

    /// Opens rooms with a member each until one is refused; returns their number.
    fn occupies_all(&mut self, opener: u8) -> usize {
        (0..10_000).take_while(|_| self.opens_and_occupies(opener)).count()
    }

    fn held_by(&self, number: u8) -> usize {
        let holds = |(room, holder): &&(DesertedRoom, Option<Source>)| {
            holder.unwrap_or(room.opened_by) == source(number)
        };
        self.rooms.iter().filter(holds).count()
    }
}

#[test]
fn one_source_alone_may_occupy_all_but_the_eighth_that_is_kept_for_others() {
    for (max, occupied) in [(1, 1), (3, 3), (4, 3), (20, 17), (1000, 875)] {
        let mut rooms = Model::new(max);
        assert_eq!(rooms.occupies_all(1), occupied, "of {max}");
        let others = (2..=9).filter(|other| rooms.opens_and_occupies(*other)).count();
        assert_eq!(others, (max - occupied).min(8), "new sources of {max}");
    }
}

#[test]
fn one_source_alone_may_use_all_rooms_that_have_no_members() {
    let mut rooms = Model::new(1000);
    (0..3000).for_each(|_| assert!(rooms.opens(1)));
    assert_eq!(rooms.rooms.len(), 1000);
    assert!(rooms.opens(2), "its oldest makes space for another source");
}

#[test]
fn a_source_that_occupies_most_rooms_ends_none_of_a_source_that_holds_less() {
    let mut rooms = Model::new(1000);
    (0..100).for_each(|_| assert!(rooms.opens(1)));
    assert_eq!(rooms.occupies_all(2), 775, "an eighth is left free");
    assert_eq!(rooms.held_by(1), 100);
    (0..20).for_each(|_| assert!(rooms.opens(3)));
    assert_eq!(rooms.held_by(1), 100);
}

#[test]
fn several_sources_that_occupy_all_they_may_leave_a_room_for_the_next() {
    let mut rooms = Model::new(1000);
    let occupied: Vec<_> = (1..=12).map(|source| rooms.occupies_all(source)).collect();
    assert!(occupied.iter().all(|occupied| *occupied > 0), "{occupied:?}");
    assert!(rooms.opens(99), "{occupied:?}");
}

#[test]
fn rooms_of_others_count_for_the_source_that_occupies_them() {
    let mut rooms = Model::new(80);
    for _ in 0..60 {
        assert!(rooms.opens(1));
        rooms.occupies(2);
    }
    assert_eq!((rooms.shares.by_source.len(), rooms.held_by(2)), (1, 60));
    assert!(rooms.occupies_all(1) > 0, "they are not charged to their opener");
    assert!(!rooms.opens(2));
}

#[test]
fn on_a_full_server_an_ordinary_client_opens_its_second_room() {
    let mut rooms = Model::new(4096);
    (0..4096).for_each(|number| {
        let address = Source::new(Some([10, 1, (number >> 8) as u8, number as u8].into()), false);
        let (since, slot) = (rooms.clock, RoomSlot(number));
        rooms.shares.begin(DesertedRoom { opened_by: address, is_shared: false, since, slot });
    });
    for expected in [true, true, true, true, false] {
        let space = rooms.shares.space_for(source(1));
        assert_eq!(space.is_ok(), expected, "{space:?}");
        if let Ok(Space::Of(slot)) = space {
            let room = *rooms.shares.deserted.iter().find(|room| room.slot == slot).unwrap();
            rooms.shares.end(room);
            let slot = RoomSlot(slot.0 + 10_000);
            let room = DesertedRoom { opened_by: source(1), slot, ..room };
            rooms.shares.begin(room);
            rooms.shares.occupy(room, source(1));
        }
    }
}

proptest! {
    /// The shares agree with the rooms, whatever is opened, joined, left and ended.
    #[test]
    fn the_shares_agree_with_the_rooms(
        steps in prop::collection::vec((0..4_u8, 0..4_u8, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut rooms = Model::new(12);
        for (step, number, at) in steps {
            let at = (!rooms.rooms.is_empty()).then(|| at.index(rooms.rooms.len()));
            match (step, at) {
                (1, Some(at)) if rooms.rooms[at].1.is_none() => {
                    rooms.shares.occupy(rooms.rooms[at].0, source(number));
                    rooms.rooms[at].1 = Some(source(number));
                }
                (2, Some(at)) => if let Some(holder) = rooms.rooms[at].1.take() {
                    rooms.shares.desert(rooms.rooms[at].0, holder);
                },
                (3, Some(at)) if rooms.rooms[at].1.is_none() => {
                    if rooms.rooms[at].0.is_shared {
                        rooms.shares.end(rooms.rooms.swap_remove(at).0);
                    } else {
                        rooms.shares.share(rooms.rooms[at].0);
                        rooms.rooms[at].0.is_shared = true;
                    }
                }
                _ => drop(rooms.opens(number)),
            }
            let held: usize = (0..4).map(|number| rooms.held_by(number)).sum();
            prop_assert_eq!(held, rooms.shares.rooms);
            prop_assert!(held <= 12);
            for number in 0..4 {
                let share = rooms.shares.by_source.get(&source(number)).copied().unwrap_or_default();
                prop_assert_eq!(share.rooms, rooms.held_by(number));
                let own = rooms.rooms.iter().filter(|(room, holder)| holder.is_none() && room.opened_by == source(number));
                prop_assert_eq!(share.deserted, own.count());
                prop_assert_eq!(share.rank.is_some(), share.deserted > 0);
            }
            let ranks = rooms.shares.by_source.iter().filter_map(|(source, share)| Some((share.rank?, *source)));
            prop_assert_eq!(ranks.collect::<BTreeSet<_>>(), rooms.shares.by_rank.clone());
        }
    }
}
