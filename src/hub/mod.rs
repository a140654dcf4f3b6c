//! The hub: one actor on its own thread, the only place where order is made.
//!
//! During a turn it takes what sessions tell it and writes one ordered list for each relay; at the
//! end of the turn it hands the lists over. At rest a turn holds one message and nothing waits;
//! under load many messages travel as one.

mod messages; // who tells whom
mod membership; // who comes and who goes
mod speech; // what is said
mod facts; // what is known about rooms
mod publication; // what is told, on its way
mod retries; // what was said already
mod terms; // what holds in which room
mod turn; // the lists of a turn

pub use crate::room::{Audience, SessionId};
pub use messages::*;
pub use publication::{Permit, Publication, Speaker};
pub use retries::RetryKey;
pub use turn::{Load, TurnLimits};

use crate::{
    config::Settings,
    logging::PanicGuard,
    metrics::Metrics,
    room::{Flow, Full, RoomName, RoomSlot, Rooms},
};
use actix::prelude::*;
use retries::Retries;
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use terms::AllTerms;
use turn::Turns;

pub struct Hub {
    rooms: Rooms,
    terms: AllTerms,
    retries: Retries,
    expiry_interval: Duration,
    /// Sessions that were not let into their room, until they leave.
    refused: HashSet<SessionId>,
    metrics: Arc<Metrics>,
    turns: Turns,
    load: Load,
    turn_limits: TurnLimits,
    end_is_near: bool,
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
            terms: AllTerms::new(settings),
            retries: Retries::new(settings.publish.retries, settings.publish.idempotency_window),
            expiry_interval: expiry_interval(settings),
            refused: HashSet::new(),
            metrics,
            turns: Turns::default(),
            load: Load::default(),
            turn_limits: TurnLimits::of(settings),
            end_is_near: false,
            log_messages: settings.log.messages,
            drain_until: None,
            _guard: PanicGuard("hub"),
        }
    }

    /// Ends the turn when the mailbox is empty and nothing comes while the other tasks of this thread have their go.
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

    fn introduce(&mut self, RelayStarted { relay, turns }: RelayStarted) {
        self.turns.add_relay(relay, turns);
        if let Some(until) = self.drain_until {
            let over = until.saturating_duration_since(Instant::now());
            self.turns.add(relay, Event::Draining { over });
        }
    }

    fn open(&mut self, name: &RoomName) -> Result<RoomSlot, Full> {
        self.rooms.open(name, || self.terms.of(name), Instant::now())
    }

    /// Ends the turn early when so much more is too much for it: the mailbox may never be empty.
    fn make_room_in_turn(&mut self, messages: usize, bytes: usize) {
        if messages > 0 && self.load.is_full(bytes, self.turn_limits) {
            self.end_turn();
        }
        self.load.add(messages, bytes);
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

impl Handler<Reports> for Hub {
    type Result = ();

    fn handle(&mut self, Reports(reports): Reports, ctx: &mut Self::Context) {
        for report in reports {
            match report {
                Report::RelayStarted(relay) => self.introduce(relay),
                Report::Join(join) => self.join(join),
                Report::Publish(publish) => self.publish(publish),
                Report::AskPresence(question) => self.tell_who_is_there(question),
                Report::Depart(Depart { session, relay }) => {
                    self.turns.add(relay, Event::Dismissed { session })
                }
                Report::Leave(leave) => self.leave(leave),
            }
        }
        self.count_rooms();
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

impl Handler<Settle> for Hub {
    type Result = ();

    fn handle(&mut self, _: Settle, _: &mut Self::Context) {} // its mailbox is a queue
}

/// How often it is looked for what to forget.
fn expiry_interval(settings: &Settings) -> Duration {
    settings.all_rules().map(|rules| rules.history.expiry_interval()).min().unwrap_or_default()
}
