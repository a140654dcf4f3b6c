//! The hub: one actor on its own thread, the only place where order is made.
//!
//! During a turn it takes what sessions tell it and writes one ordered list for each relay; at the
//! end of the turn it hands the lists over. At rest a turn holds one message and nothing waits;
//! under load many messages travel as one.

mod messages; // who tells whom
mod publication; // what was said
mod turn; // the lists of a turn

pub use crate::room::{Audience, SessionId};
pub use messages::*;
pub use publication::{Permit, Publication, Speaker};
pub use turn::{Load, TurnLimits};

use crate::{
    config::Settings,
    logging::{Escaped, PanicGuard, TARGET},
    metrics::Metrics,
    protocol::v1::{self, Present},
    room::{Flow, HistoryLimits, Presence, Room, RoomSlot, Rooms},
    wire::{self, Payload},
};
use actix::prelude::*;
use bytes::Bytes;
use log::info;
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use turn::Turns;

pub struct Hub {
    rooms: Rooms,
    history: HistoryLimits,
    expiry_interval: Duration,
    /// Sessions that were not let into their room, until they leave.
    refused: HashSet<SessionId>,
    metrics: Arc<Metrics>,
    turns: Turns,
    load: Load,
    turn_limits: TurnLimits,
    end_is_near: bool,
    /// As a frame.
    greeting: Option<Bytes>,
    presence: bool,
    log_messages: bool,
    drain_until: Option<Instant>,
    _guard: PanicGuard,
}

impl Hub {
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            rooms: Rooms::new(
                settings.limits.rooms,
                settings.limits.history_bytes_total.bytes(),
                Flow::of(settings),
            ),
            history: HistoryLimits::of(&settings.history),
            expiry_interval: settings.history.expiry_interval(),
            refused: HashSet::new(),
            metrics,
            turns: Turns::default(),
            load: Load::default(),
            turn_limits: TurnLimits::of(settings),
            end_is_near: false,
            greeting: greeting(&settings.rooms.greeting),
            presence: settings.rooms.presence,
            log_messages: settings.log.messages,
            drain_until: None,
            _guard: PanicGuard("hub"),
        }
    }

    /// Ends the turn when the mailbox is empty and the other tasks of this thread had their go.
    fn end_turn_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.end_is_near, true) {
            return;
        }
        let others_go_first = tokio::task::yield_now().into_actor(self);
        ctx.spawn(others_go_first.map(|(), hub, _| {
            hub.end_is_near = false;
            hub.end_turn();
        }));
    }

    fn end_turn(&mut self) {
        if self.load.messages() > 0 {
            self.metrics.turn_messages.observe(self.load.messages() as f64);
        }
        self.load = Load::default();
        self.turns.end();
    }

    fn admit(&mut self, Join { session, who, relay, room, recall }: Join) -> Event {
        let Ok(slot) = self.rooms.open(&room, self.history, Instant::now()) else {
            self.refused.insert(session);
            return Event::Refused { session };
        };
        self.tell_presence(slot, who, Presence::come, v1::join);
        let found = self.rooms.join(slot, relay);
        let (flow, recalled) = (found.flow.clone(), found.history.recall(recall, who));
        self.make_room_in_turn(recalled.said.len(), recalled.said.iter().map(|said| said.cost()).sum());
        let admission = Box::new(Admission { who, room, greeting: self.greeting.clone(), recalled });
        Event::Admitted { session, room: slot, flow, admission }
    }

    /// Ends the turn early when so much more is too much for it: the mailbox may never be empty.
    fn make_room_in_turn(&mut self, messages: usize, bytes: usize) {
        if messages > 0 && self.load.is_full(bytes, self.turn_limits) {
            self.end_turn();
        }
        self.load.add(messages, bytes);
    }

    /// Counts that `who` comes or goes where that is told, and tells the room if it is news.
    fn tell_presence(
        &mut self,
        slot: RoomSlot,
        who: SessionId,
        change: fn(&mut Presence, SessionId) -> bool,
        notice: fn(SessionId) -> Payload,
    ) {
        if self.presence && change(self.rooms.presence(slot), who) {
            self.make_room_in_turn(1, 0);
            self.pass_on(slot, &Publication::notice(notice(who)));
        }
    }

    /// Puts a message on the list of every relay that holds members of the room.
    fn pass_on(&mut self, slot: RoomSlot, publication: &Arc<Publication>) {
        let relays = self.rooms.get(slot).into_iter().flat_map(|room| room.members.relays());
        for relay in relays {
            self.turns.add(relay, Event::Said { room: slot, publication: publication.clone() });
        }
    }

    fn expire(&mut self) {
        self.rooms.expire(Instant::now());
        self.count_rooms();
    }

    fn count_rooms(&self) {
        let held = self.rooms.held();
        self.metrics.rooms.set(self.rooms.len() as i64);
        self.metrics.history_messages.set(held.messages as i64);
        self.metrics.history_bytes.set(held.bytes as i64);
    }
}

impl TurnLimits {
    /// A whole turn fits into an empty outbox, so that nobody is slow because others are many.
    pub fn of(settings: &Settings) -> Self {
        Self {
            bytes: settings.session.outbox_bytes.bytes().min(64 << 10),
            messages: settings.session.outbox_messages.min(256),
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.expiry_interval, |hub, _| hub.expire());
    }
}

impl Handler<RelayStarted> for Hub {
    type Result = ();

    fn handle(&mut self, RelayStarted { relay, turns }: RelayStarted, _: &mut Self::Context) {
        self.turns.add_relay(relay, turns);
        if let Some(until) = self.drain_until {
            let over = until.saturating_duration_since(Instant::now());
            self.turns.add(relay, Event::Draining { over });
        }
    }
}

impl Handler<Join> for Hub {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) {
        info!(target: TARGET, "server: receive connection.");
        let relay = join.relay;
        let event = self.admit(join);
        self.count_rooms();
        self.turns.add(relay, event); // behind everything that was said before
        self.end_turn_soon(ctx);
    }
}

impl Handler<Publish> for Hub {
    type Result = ();

    fn handle(&mut self, Publish { room, speaker, utterance, permit }: Publish, ctx: &mut Self::Context) {
        if self.log_messages {
            log_message(&utterance.payload);
        }
        self.make_room_in_turn(1, utterance.payload.as_bytes().len());
        let Some(slot) = self.rooms.find(&room).map(Room::slot) else { return };
        let said = self.rooms.say(slot, utterance, Instant::now());
        self.count_rooms();
        self.pass_on(slot, &Publication::message(said, Some(speaker), permit));
        self.end_turn_soon(ctx);
    }
}

impl Handler<Leave> for Hub {
    type Result = ();

    fn handle(&mut self, Leave { session, who, relay, room }: Leave, ctx: &mut Self::Context) {
        if self.refused.remove(&session) {
            return;
        }
        if let Some(slot) = self.rooms.find(&room).map(Room::slot).filter(|_| self.presence) {
            self.tell_presence(slot, who, Presence::go, v1::leave);
            self.end_turn_soon(ctx);
        }
        self.rooms.leave(&room, relay, Instant::now());
        self.count_rooms();
    }
}

impl Handler<AskPresence> for Hub {
    type Result = ();

    fn handle(&mut self, question: AskPresence, ctx: &mut Self::Context) {
        let AskPresence { session, relay, room, reference, permit } = question;
        let Some(room) = self.rooms.find(&room) else { return };
        let who = self.presence.then(|| room.presence.who().take(Present::MOST).collect());
        let present = Present { clients: room.members.count(), who };
        let presence = Box::new(Counted { reference, present, permit });
        self.make_room_in_turn(1, 0);
        self.turns.add(relay, Event::Counted { session, presence });
        self.end_turn_soon(ctx);
    }
}

impl Handler<Depart> for Hub {
    type Result = ();

    fn handle(&mut self, Depart { session, relay }: Depart, ctx: &mut Self::Context) {
        self.turns.add(relay, Event::Dismissed { session });
        self.end_turn_soon(ctx);
    }
}

impl Handler<Drain> for Hub {
    type Result = ();

    fn handle(&mut self, Drain { over }: Drain, ctx: &mut Self::Context) {
        self.drain_until = Some(Instant::now() + over);
        self.turns.add_for_all(|| Event::Draining { over });
        self.end_turn_soon(ctx);
    }
}

impl Handler<Describe> for Hub {
    type Result = RoomFacts;

    fn handle(&mut self, Describe { room }: Describe, _: &mut Self::Context) -> RoomFacts {
        let clients = self.rooms.find(&room).map_or(0, |room| room.members.count());
        RoomFacts { room, clients }
    }
}

fn greeting(text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| wire::plain(&Payload::Text(text.into())))
}

fn log_message(payload: &Payload) {
    match payload {
        Payload::Text(text) => info!(target: TARGET, "server: received: {}", Escaped(text)),
        Payload::Binary(bytes) => info!(target: TARGET, "server: received: {} bytes (binary)", bytes.len()),
    }
}
