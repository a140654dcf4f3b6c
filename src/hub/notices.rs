//! Joins and leaves, announced to rooms in lists.
//!
//! A notice costs its room credit, as a message does, so that a room with many joins and leaves
//! closes no session as too slow. Changes that cannot be announced yet are gathered; a join and a
//! leave of one speaker cancel out. A request for presence ends the gathering and is answered after
//! its changes, so that no client receives the join of a speaker that it knows.

use super::{Event, Hub, PresenceReply};
use crate::{
    backplane::{GetPresence, NoticeList, Waiter},
    delivery::Broadcast,
    ids::{RoomSlot, SpeakerId},
    limits::{FairPermit, Flow, Source},
    room::{Change, Changes, Present},
};
use actix::prelude::*;
use smallvec::{SmallVec, smallvec};
use std::{
    collections::{HashMap, VecDeque},
    iter::repeat_n,
    sync::Arc,
    time::{Duration, Instant},
};

/// Rooms whose changes are announced before the mailbox is served again.
const ANNOUNCED_AT_ONCE: usize = 64;

/// Time for the mailbox while more rooms have changes to announce.
const PAUSE: Duration = Duration::from_millis(1);

/// The changes that rooms have not announced yet; rooms without changes have no entry.
#[derive(Default)]
pub struct Notices {
    rooms: HashMap<RoomSlot, Gathering>,
    /// The ends of gatherings, the earliest first.
    due: VecDeque<(Instant, RoomSlot, u64)>,
    /// True while a timer runs for the first of them.
    is_timed: bool,
    last_number: u64,
    changes: usize,
}

/// The changes that one room has not announced yet.
struct Gathering {
    /// Distinguishes it from other gatherings of the same slot.
    number: u64,
    changes: Changes,
    /// Requests for presence, to be answered after the changes; bounded by their permits.
    requests: Vec<GetPresence>,
    waits_for_credit: bool,
}

/// Hub → hub: credit for this number of notices.
#[derive(Message)]
#[rtype(result = "()")]
struct Credited {
    room: RoomSlot,
    number: u64,
    messages: usize,
    credit: FairPermit,
}

impl Notices {
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Changes that have not been announced.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Forgets the changes of a room without members.
    pub fn forget(&mut self, room: RoomSlot) {
        if let Some(gathering) = self.rooms.remove(&room) {
            self.changes -= gathering.changes.len();
        }
        if self.rooms.is_empty() {
            (self.rooms, self.due) = Default::default(); // returns their memory
        }
    }

    /// Notes a change; true if it begins a gathering, which ends at `until`, if there is one.
    fn note(&mut self, room: RoomSlot, who: SpeakerId, change: Change, until: Option<Instant>) -> bool {
        let begins = !self.rooms.contains_key(&room);
        let (number, due) = (&mut self.last_number, &mut self.due);
        let gathering = self.rooms.entry(room).or_insert_with(|| {
            *number += 1;
            due.extend(until.map(|until| (until, room, *number)));
            Gathering {
                number: *number,
                changes: Changes::default(),
                requests: Vec::new(),
                waits_for_credit: false,
            }
        });
        let before = gathering.changes.len();
        gathering.changes.note(who, change);
        self.changes = self.changes + gathering.changes.len() - before;
        begins
    }

    /// The gathering of this number, if it has not ended.
    fn find(&mut self, room: RoomSlot, number: u64) -> Option<&mut Gathering> {
        self.rooms.get_mut(&room).filter(|gathering| gathering.number == number)
    }
}

impl Hub {
    /// Announces soon that `who` joined or left.
    pub(super) fn note_presence(
        &mut self,
        room: RoomSlot,
        who: SpeakerId,
        change: Change,
        ctx: &mut Context<Self>,
    ) {
        let until = (!self.gather_presence.is_zero()).then(|| Instant::now() + self.gather_presence);
        let begins = self.notices.note(room, who, change, until);
        match until {
            None => self.announce_gathered(room, ctx),
            Some(_) if begins => self.announce_in_time(ctx),
            Some(_) => {}
        }
    }

    /// Announces the join of `who` before a message of `who`. The message has paid for the notice.
    pub(super) fn announce_join(&mut self, room: RoomSlot, who: SpeakerId) {
        let gathering = self.notices.rooms.get_mut(&room);
        if let Some(join) = gathering.and_then(|gathering| gathering.changes.take_join(who)) {
            self.notices.changes -= 1;
            self.announce(NoticeList { room, changes: smallvec![(who, join)], credit: None });
        }
    }

    /// Answers a request for presence, after the gathered changes.
    pub(super) fn get_presence(&mut self, mut request: GetPresence, ctx: &mut Context<Self>) {
        let Some(room) = self.store.rooms.find(&request.room).map(|room| room.slot()) else { return };
        let Some(gathering) = self.notices.rooms.get_mut(&room) else {
            return self.settle(Waiter::Presence(request));
        };
        if let Some(permit) = &mut request.permit {
            permit.room = None; // for the notices that it waits for
        }
        gathering.requests.push(request);
        self.announce_gathered(room, ctx);
    }

    pub(super) fn answer_presence(&mut self, request: GetPresence) {
        let GetPresence { connection, relay, room, reference, permit } = request;
        let Some(room) = self.store.rooms.find(&room) else { return };
        let who = room.policy.presence.then(|| match self.store.backplane.speakers(room.slot()) {
            Some(speakers) => speakers.take(Present::MAX_NAMED).collect::<Vec<_>>(),
            None => room.presence.who().take(Present::MAX_NAMED).collect(),
        });
        let clients = room.members.count() + self.store.backplane.clients_elsewhere(room.slot());
        let bytes = who.as_ref().map_or(0, |who| who.len() * SpeakerId::JSON_LENGTH);
        let present = Present { clients, who };
        let presence = Box::new(PresenceReply { reference, present, permit });
        self.reserve_in_turn(1, bytes);
        self.turns.add(relay, Event::Presence { connection, presence });
    }

    /// Runs a timer for the gathering that ends first, unless one runs.
    fn announce_in_time(&mut self, ctx: &mut Context<Self>) {
        let Some((until, ..)) = self.notices.due.front().filter(|_| !self.notices.is_timed) else { return };
        self.notices.is_timed = true;
        ctx.run_later(until.saturating_duration_since(Instant::now()).max(PAUSE), |hub, ctx| {
            hub.notices.is_timed = false;
            hub.announce_due(Instant::now(), ctx);
            hub.announce_in_time(ctx);
        });
    }

    fn announce_due(&mut self, now: Instant, ctx: &mut Context<Self>) {
        for _ in 0..ANNOUNCED_AT_ONCE {
            let Some((_, room, number)) =
                self.notices.due.front().copied().filter(|(until, ..)| *until <= now)
            else {
                break;
            };
            self.notices.due.pop_front();
            if self.notices.find(room, number).is_some() {
                self.announce_gathered(room, ctx);
            }
        }
        self.handle_arrivals(ctx);
        self.count_rooms();
        self.end_turn_soon(ctx);
    }

    /// Announces the gathered changes, as far as there is credit; the rest follows with more
    /// credit.
    fn announce_gathered(&mut self, room: RoomSlot, ctx: &mut Context<Self>) {
        loop {
            let Some(gathering) = self.notices.rooms.get_mut(&room) else { return };
            let Some(flow) = self.store.rooms.get(room).map(|room| &room.flow) else { return };
            if gathering.waits_for_credit {
                return;
            }
            let messages = gathering.changes.len().min(flow.messages_at_once());
            if messages == 0 {
                let requests = std::mem::take(&mut gathering.requests);
                self.notices.forget(room);
                return requests.into_iter().for_each(|request| self.settle(Waiter::Presence(request)));
            }
            let Some(credit) = flow.try_acquire(messages) else {
                gathering.waits_for_credit = true;
                let (number, flow) = (gathering.number, flow.clone());
                return wait_for_credit(room, number, flow, messages, ctx.address());
            };
            self.announce_some(room, messages, credit);
        }
    }

    /// Announces this number of gathered changes; the credit returns after the last one.
    fn announce_some(&mut self, room: RoomSlot, messages: usize, credit: FairPermit) {
        let Some(gathering) = self.notices.rooms.get_mut(&room) else { return };
        let changes: SmallVec<_> =
            std::iter::from_fn(|| gathering.changes.take_first()).take(messages).collect();
        self.notices.changes -= changes.len();
        self.announce(NoticeList { room, changes, credit: Some(Arc::new(credit)) });
    }

    fn announce(&mut self, notices: NoticeList) {
        self.store.announce(notices, &mut self.arrived);
    }

    /// Puts notices on the lists of the relays; the credit returns after the last one.
    pub(super) fn deliver_notices(&mut self, NoticeList { room, changes, mut credit }: NoticeList) {
        let last = changes.len().saturating_sub(1);
        for (at, (who, change)) in changes.into_iter().enumerate() {
            let notice = Broadcast::notice(who, change, credit.take_if(|_| at == last));
            self.reserve_in_turn(1, notice.bytes());
            self.broadcast(room, &notice);
        }
        self.store.end_after_arrival(room, Instant::now());
    }
}

/// Notifies the hub when there is credit, in turn with the sources that wait for credit of the
/// room.
fn wait_for_credit(room: RoomSlot, number: u64, flow: Flow, messages: usize, hub: Addr<Hub>) {
    actix::spawn(async move {
        let credit = flow.acquire(Source::new(None, false), repeat_n(0, messages)).await;
        hub.do_send(Credited { room, number, messages, credit }); // once for each gathering that waits
    });
}

impl Handler<Credited> for Hub {
    type Result = ();

    fn handle(&mut self, credited: Credited, ctx: &mut Self::Context) {
        let Credited { room, number, messages, credit } = credited;
        let stint_is_over = self.begin_entry();
        if let Some(gathering) = self.notices.find(room, number) {
            gathering.waits_for_credit = false;
            self.announce_some(room, messages, credit);
            self.announce_gathered(room, ctx);
            self.handle_arrivals(ctx);
        }
        self.end_entry(stint_is_over, ctx);
    }
}
