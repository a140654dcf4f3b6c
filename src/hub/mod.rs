//! The hub: one actor on its own thread, the only place where order is made.
//!
//! During a turn it takes what sessions tell it and writes one ordered list for each relay; at the
//! end of the turn it hands the lists over. At rest a turn holds one message and nothing waits;
//! under load many messages travel as one.

mod messages; // who tells whom
mod publication; // what was said
mod turn; // the lists of a turn

pub use messages::*;
pub use publication::{Audience, Permit, Publication, SessionId};
pub use turn::{Load, TurnLimits};

use crate::{
    config::Settings,
    logging::{Escaped, PanicGuard, TARGET},
    metrics::Metrics,
    room::{Flow, Rooms},
    wire::Payload,
};
use actix::prelude::*;
use log::info;
use std::{collections::HashSet, sync::Arc, time::Instant};
use turn::Turns;

pub struct Hub {
    rooms: Rooms,
    max_rooms: usize,
    /// Sessions that were not let into their room, until they leave.
    refused: HashSet<SessionId>,
    metrics: Arc<Metrics>,
    turns: Turns,
    load: Load,
    turn_limits: TurnLimits,
    end_is_near: bool,
    greeting: Option<Arc<Publication>>,
    log_messages: bool,
    drain_until: Option<Instant>,
    _guard: PanicGuard,
}

impl Hub {
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            rooms: Rooms::new(Flow::of(settings)),
            max_rooms: settings.limits.rooms,
            refused: HashSet::new(),
            metrics,
            turns: Turns::default(),
            load: Load::default(),
            turn_limits: TurnLimits::of(settings),
            end_is_near: false,
            greeting: greeting(&settings.rooms.greeting),
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

    fn admit(&mut self, Join { session, relay, room }: Join) -> Event {
        if self.rooms.find(&room).is_none() && self.rooms.len() >= self.max_rooms {
            self.refused.insert(session);
            return Event::Refused { session };
        }
        let room = self.rooms.join(room, relay);
        let (slot, flow) = (room.slot(), room.flow().clone());
        self.metrics.rooms.set(self.rooms.len() as i64);
        Event::Admitted { session, room: slot, flow, greeting: self.greeting.clone() }
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
        self.turns.add(relay, event); // behind everything that was said before
        self.end_turn_soon(ctx);
    }
}

impl Handler<Publish> for Hub {
    type Result = ();

    fn handle(&mut self, Publish { room, payload, audience, permit }: Publish, ctx: &mut Self::Context) {
        if self.log_messages {
            log_message(&payload);
        }
        if self.load.is_full(payload.as_bytes().len(), self.turn_limits) {
            self.end_turn(); // the mailbox may never be empty
        }
        self.load.add(payload.as_bytes().len());
        let Some(room) = self.rooms.find(&room) else { return };
        let publication = Publication::new(payload, audience, permit);
        for relay in room.relays() {
            self.turns.add(relay, Event::Said { room: room.slot(), publication: publication.clone() });
        }
        self.end_turn_soon(ctx);
    }
}

impl Handler<Leave> for Hub {
    type Result = ();

    fn handle(&mut self, Leave { session, relay, room }: Leave, _: &mut Self::Context) {
        if self.refused.remove(&session) {
            return;
        }
        self.rooms.leave(&room, relay);
        self.metrics.rooms.set(self.rooms.len() as i64);
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
        let clients = self.rooms.find(&room).map_or(0, |room| room.members());
        RoomFacts { room, clients }
    }
}

fn greeting(text: &str) -> Option<Arc<Publication>> {
    let payload = || Payload::Text(text.into());
    (!text.is_empty()).then(|| Publication::new(payload(), Audience::Everyone, None))
}

fn log_message(payload: &Payload) {
    match payload {
        Payload::Text(text) => info!(target: TARGET, "server: received: {}", Escaped(text)),
        Payload::Binary(bytes) => info!(target: TARGET, "server: received: {} bytes (binary)", bytes.len()),
    }
}
