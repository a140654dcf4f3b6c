//! The relay of one worker thread: takes the hub's turns and hands each session its part, once.

mod batch; // one room's messages as bytes
mod dismissal; // who is sent away when
mod held; // how long speakers wait for hearers
mod roster; // who is in which room

pub use roster::Roster;

use crate::{
    config::Settings,
    hub::{Depart, Event, Hub, Load, RelayStarted, SessionId, Turn, TurnLimits},
    logging::PanicGuard,
    metrics::Metrics,
    outbox::{CloseReason, Outbox, Pool},
    room::RelayId,
};
use actix::prelude::*;
use dismissal::Dismissals;
use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// What the sessions of a thread share with its relay.
pub struct Desk {
    pub relay: RelayId,
    pub hub: Addr<Hub>,
    pub settings: Arc<Settings>,
    pub metrics: Arc<Metrics>,
    /// Bytes of messages that may be under way.
    pub in_flight: Arc<Semaphore>,
    /// What all outboxes hold together.
    pub pool: Arc<Pool>,
    pub roster: RefCell<Roster>,
}

pub struct Relay {
    desk: Rc<Desk>,
    gathered: Load,
    turn_limits: TurnLimits,
    flush_is_near: bool,
    waits_for_hearers: bool,
    dismissals: Option<Dismissals>,
    _guard: PanicGuard,
}

/// How often hearers who are behind are looked at while speakers wait for them.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(2);

/// How often departures are looked for while the server drains.
const DISMISSAL_INTERVAL: Duration = Duration::from_millis(20);

impl Relay {
    /// The relay of this thread, behind `desk`.
    pub fn new(desk: Rc<Desk>) -> Self {
        Self {
            turn_limits: TurnLimits::of(&desk.settings),
            desk,
            gathered: Load::default(),
            flush_is_near: false,
            waits_for_hearers: false,
            dismissals: None,
            _guard: PanicGuard("relay"),
        }
    }

    fn take(&mut self, event: Event, ctx: &mut Context<Self>) {
        match event {
            Event::Said { room, publication } => {
                let bytes = publication.message.payload().as_bytes().len();
                if self.gathered.is_full(bytes, self.turn_limits) {
                    self.flush();
                    ctx.wait(tokio::task::yield_now().into_actor(self)); // sockets are looked after between turns
                }
                self.gathered.add(bytes);
                self.desk.roster.borrow_mut().say(room, publication);
            }
            Event::Admitted { session, room, flow, greeting } => {
                let mut roster = self.desk.roster.borrow_mut();
                let Some(outbox) = roster.admit(session, room, flow) else { return };
                if let Some(greeting) = greeting {
                    outbox.push(greeting.message.plain().clone(), 1);
                }
                if let Some(dismissals) = &mut self.dismissals {
                    dismissals.add(session);
                }
            }
            Event::Refused { session } => {
                self.part_from(session, |outbox| outbox.end(CloseReason::TooManyRooms))
            }
            Event::Dismissed { session } => self.part_from(session, Outbox::dismiss),
            Event::Draining { over } => self.drain(over, ctx),
        }
    }

    fn flush_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.flush_is_near, true) {
            return;
        }
        let others_go_first = tokio::task::yield_now().into_actor(self);
        ctx.spawn(others_go_first.map(|(), relay, ctx| {
            relay.flush_is_near = false;
            relay.flush();
            relay.wait_for_hearers(ctx);
        }));
    }

    fn flush(&mut self) {
        self.gathered = Load::default();
        self.desk.roster.borrow_mut().flush(&self.desk.metrics);
    }

    /// Until no room holds credit back any more.
    fn wait_for_hearers(&mut self, ctx: &mut Context<Self>) {
        if self.waits_for_hearers || !self.desk.roster.borrow().holds_credit() {
            return;
        }
        self.waits_for_hearers = true;
        ctx.run_later(CATCH_UP_INTERVAL, |relay, ctx| {
            relay.waits_for_hearers = false;
            relay.desk.roster.borrow_mut().release_credit(Instant::now());
            relay.wait_for_hearers(ctx);
        });
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        for outbox in self.desk.roster.borrow().outboxes() {
            outbox.sweep(now, &self.desk.settings.session);
        }
    }

    fn drain(&mut self, over: Duration, ctx: &mut Context<Self>) {
        let sessions = self.desk.roster.borrow().sessions().collect();
        self.dismissals = Some(Dismissals::spread(sessions, over, Instant::now()));
        ctx.run_interval(DISMISSAL_INTERVAL, |relay, _| relay.let_depart());
        self.let_depart();
    }

    /// Whoever's time has come is no longer listened to, and is dismissed when the hub has passed on
    /// everything that was said before.
    fn let_depart(&mut self) {
        let Some(dismissals) = &mut self.dismissals else { return };
        let Desk { relay, hub, roster, .. } = &*self.desk;
        for session in dismissals.due(Instant::now()) {
            if let Some(outbox) = roster.borrow().outbox(session) {
                outbox.depart(CloseReason::Restart);
                hub.do_send(Depart { session, relay: *relay }); // once for each session
            }
        }
    }

    fn part_from(&mut self, session: SessionId, end: impl FnOnce(&Outbox)) {
        self.flush(); // what was said before comes first
        if let Some(outbox) = self.desk.roster.borrow().outbox(session) {
            end(outbox);
        }
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let started = RelayStarted { relay: self.desk.relay, turns: ctx.address().recipient() };
        self.desk.hub.do_send(started); // the first thing that this thread tells the hub
        ctx.run_interval(self.desk.settings.session.sweep_interval(), |relay, _| relay.sweep());
    }
}

impl Handler<Turn> for Relay {
    type Result = ();

    fn handle(&mut self, Turn(events): Turn, ctx: &mut Self::Context) {
        for event in events {
            self.take(event, ctx);
        }
        self.flush_soon(ctx);
    }
}
