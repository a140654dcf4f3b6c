//! The hub: one actor on its own thread, the only place where order is made.
//!
//! During a turn it handles commands and appends to one ordered list for each relay; at the end of
//! the turn it hands the lists over. At rest a turn holds one message and nothing waits; under load
//! many messages travel as one.

mod store; // rooms with their histories
mod messages; // commands, queries, and events for relays
mod membership; // joins and leaves
mod notices; // joins and leaves that rooms announce, in lists
mod publish; // submissions and arrivals
mod backplane; // what a backplane of several nodes brings, and what is due in it
mod queries; // facts and histories of rooms
mod turn; // the lists of a turn, and its limits
#[cfg(test)]
mod late_arrivals; // tests over a backplane whose arrivals come later

pub use messages::*;
pub use turn::{Load, Stint, TurnLimits};

use crate::{
    backplane::{Arrival, Asker, Backplane, Finish, Waiter},
    config::RoomName,
    delivery::Broadcast,
    exit::PanicGuard,
    ids::{ConnectionId, RoomSlot},
    limits::Source,
    metrics::Metrics,
    policy::Policy,
    room::TooManyRooms,
};
use actix::prelude::*;
use futures_util::FutureExt;
use notices::Notices;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use store::RoomStore;
use tokio::sync::oneshot;
use turn::Turns;

/// Commands of one mailbox entry between two looks at the clock.
const COMMANDS_PER_CLOCK_CHECK: usize = 64;

/// Rooms whose messages expire before the mailbox is served again.
const EXPIRED_AT_ONCE: usize = 256;

/// Time for the mailbox while more rooms have expired messages.
const EXPIRY_PAUSE: Duration = Duration::from_millis(1);

/// The actor that manages all rooms, and sends their messages to the relays.
pub struct Hub {
    store: RoomStore,
    /// Arrivals of the backplane; handled before the next command.
    arrived: VecDeque<Arrival>,
    policy: Arc<Policy>,
    expiry_interval: Duration,
    /// Sessions that were not admitted to their room, until they leave.
    refused: HashSet<ConnectionId>,
    /// Sessions that wait for their part of the history, until they are admitted or leave.
    joining: HashSet<ConnectionId>,
    metrics: Arc<Metrics>,
    turns: Turns,
    load: Load,
    turn_limits: TurnLimits,
    stint: Stint,
    notices: Notices,
    /// Time for which joins and leaves are gathered.
    gather_presence: Duration,
    end_is_due: bool,
    log_messages: bool,
    drain_until: Option<Instant>,
    _guard: PanicGuard,
}

impl Hub {
    /// Creates the hub of a server, without rooms.
    pub fn new(policy: Arc<Policy>, metrics: Arc<Metrics>) -> Self {
        let backplane = Backplane::single(policy.limits.history_bytes_total, policy.idempotency);
        Self::over(backplane, policy, metrics)
    }

    /// Creates the hub of a server whose rooms get their order from `backplane`.
    pub fn over(backplane: Backplane, policy: Arc<Policy>, metrics: Arc<Metrics>) -> Self {
        Self {
            store: RoomStore::new(&policy, backplane),
            arrived: VecDeque::new(),
            expiry_interval: expiry_interval(&policy),
            refused: HashSet::new(),
            joining: HashSet::new(),
            metrics,
            turns: Turns::default(),
            load: Load::default(),
            turn_limits: TurnLimits::of(policy.session.outbox),
            stint: Stint::default(),
            notices: Notices::default(),
            gather_presence: policy.rooms.gather_presence,
            end_is_due: false,
            log_messages: policy.log.messages,
            drain_until: None,
            policy,
            _guard: PanicGuard("hub"),
        }
    }

    /// Ends the turn when the mailbox is empty and stays empty while the other tasks of this thread
    /// run.
    fn end_turn_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.end_is_due, true) {
            return;
        }
        let others_go_first = tokio::task::yield_now().into_actor(self);
        ctx.spawn(others_go_first.map(|(), hub, _| {
            hub.end_is_due = false;
            hub.stint = Stint::default();
            hub.end_turn();
        }));
    }

    /// Counts a mailbox entry of any kind; every handler calls it first, and [`Hub::end_entry`]
    /// last.
    fn begin_entry(&mut self) -> bool {
        self.stint.count(Instant::now())
    }

    /// Ends the turn soon, or at once if the stint is over: a mailbox under load is never empty,
    /// and the timers of this thread must run.
    fn end_entry(&mut self, stint_is_over: bool, ctx: &mut Context<Self>) {
        if !stint_is_over {
            return self.end_turn_soon(ctx);
        }
        self.stint = Stint::default();
        self.end_turn();
        let others_go_first = actix::spawn(tokio::task::yield_now()); // a future of this actor would be cut short by the next entry
        ctx.wait(others_go_first.into_actor(self).map(|_, _, _| ()));
    }

    fn end_turn(&mut self) {
        if self.load.messages() > 0 {
            self.metrics.turn_messages.observe(self.load.messages() as f64);
        }
        self.load = Load::default();
        self.turns.end();
        self.store.backplane.flush(Instant::now());
    }

    fn add_relay(&mut self, RelayStarted { relay, turns }: RelayStarted) {
        self.turns.add_relay(relay, turns);
        if let Some(until) = self.drain_until {
            let over = until.saturating_duration_since(Instant::now());
            self.turns.add(relay, Event::Draining { over });
        }
    }

    fn open(&mut self, name: &RoomName, source: Source) -> Result<RoomSlot, TooManyRooms> {
        self.store.open(name, source, || self.policy.rooms.of(name), Instant::now())
    }

    /// Ends the turn early if this would exceed its limits: under load the mailbox never becomes
    /// empty.
    fn reserve_in_turn(&mut self, messages: usize, bytes: usize) {
        if messages > 0 && self.load.is_full(bytes, self.turn_limits) {
            self.end_turn();
        }
        self.load.add(messages, bytes);
    }

    /// Handles what the backplane has brought, in its order.
    fn handle_arrivals(&mut self, ctx: &mut Context<Self>) {
        while let Some(arrival) = self.arrived.pop_front() {
            match arrival {
                Arrival::Messages(ordered) => self.deliver_messages(ordered),
                Arrival::Notices(notices) => self.deliver_notices(notices),
                Arrival::History { room, slice, asker } => {
                    match asker {
                        Asker::Newcomer(newcomer) => self.admit(room, slice, newcomer, ctx),
                        Asker::Reader(reply) => drop(reply.send(Some(slice))), // a reader that has gone needs no answer
                    }
                    self.store.end_after_arrival(room, Instant::now());
                }
                Arrival::Unavailable { room, asker } => {
                    self.refuse(asker);
                    self.store.end_after_arrival(room, Instant::now());
                }
                Arrival::Epoch(epoch) => self.begin_epoch(epoch),
                Arrival::Settled(Waiter::Finish(Finish { connection, relay })) => {
                    self.turns.add(relay, Event::Finished { connection });
                }
                Arrival::Settled(Waiter::Presence(request)) => self.answer_presence(request),
                Arrival::Settled(Waiter::Barrier(reached)) => drop(reached.send(())), // a worker that has ended does not wait
            }
        }
        self.store.end_emptied(Instant::now());
    }

    /// Handles `waiter` after everything that was submitted before.
    fn settle(&mut self, waiter: Waiter) {
        self.store.backplane.settle(waiter, Instant::now(), &mut self.arrived);
    }

    /// Puts a message on the list of every relay with members of the room.
    fn broadcast(&mut self, slot: RoomSlot, broadcast: &Arc<Broadcast>) {
        self.add_for_room(slot, || Event::Broadcast { room: slot, broadcast: broadcast.clone() });
    }

    /// Puts an event on the list of every relay with members of the room.
    fn add_for_room(&mut self, slot: RoomSlot, event: impl Fn() -> Event) {
        let relays = self.store.rooms.get(slot).into_iter().flat_map(|room| room.members.relays());
        for relay in relays {
            self.turns.add(relay, event());
        }
    }

    /// Forgets expired messages, in portions: many rooms may expire at the same moment.
    fn expire(&mut self, ctx: &mut Context<Self>) {
        let more = self.store.expire_some(Instant::now(), EXPIRED_AT_ONCE);
        ctx.run_later(if more { EXPIRY_PAUSE } else { self.expiry_interval }, Self::expire);
        self.count_rooms();
    }

    fn count_rooms(&self) {
        let usage = self.store.backplane.usage();
        self.metrics.rooms.set(self.store.rooms.count() as i64);
        self.metrics.history_messages.set(usage.messages as i64);
        self.metrics.history_bytes.set(usage.bytes as i64);
        self.metrics.presence_pending.set(self.notices.changes() as i64);
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(self.expiry_interval, Self::expire);
        self.start_ticks(ctx);
    }
}

impl Handler<Commands> for Hub {
    type Result = ();

    fn handle(&mut self, Commands(commands): Commands, ctx: &mut Self::Context) {
        let stint_is_over = self.begin_entry();
        for (number, command) in commands.into_iter().enumerate() {
            if number % COMMANDS_PER_CLOCK_CHECK == COMMANDS_PER_CLOCK_CHECK - 1
                && self.stint.is_late(Instant::now())
            {
                self.end_turn();
            }
            match command {
                Command::RelayStarted(relay) => self.add_relay(relay),
                Command::Join(join) => self.join(join),
                Command::Publish(publish) => self.publish(publish),
                Command::GetPresence(request) => self.get_presence(request, ctx),
                Command::Finish(finish) => self.settle(Waiter::Finish(finish)),
                Command::Leave(leave) => self.leave(leave, ctx),
            }
            self.handle_arrivals(ctx);
        }
        self.count_rooms();
        self.end_entry(stint_is_over, ctx);
    }
}

impl Handler<Drain> for Hub {
    type Result = ();

    fn handle(&mut self, Drain { over }: Drain, ctx: &mut Self::Context) {
        let stint_is_over = self.begin_entry();
        self.drain_until = Some(Instant::now() + over);
        self.turns.add_for_all(|| Event::Draining { over });
        self.end_entry(stint_is_over, ctx);
    }
}

impl Handler<Barrier> for Hub {
    type Result = ResponseFuture<()>;

    /// Every earlier command has been handled, since the mailbox is a queue.
    fn handle(&mut self, _: Barrier, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let (reached, answer) = oneshot::channel();
        self.settle(Waiter::Barrier(reached));
        self.handle_arrivals(ctx);
        self.end_entry(stint_is_over, ctx);
        Box::pin(answer.map(|_| ())) // nothing is pending after the end of the backplane
    }
}

/// The interval at which expired messages are forgotten.
fn expiry_interval(policy: &Policy) -> Duration {
    policy.rooms.each().map(|room| room.history.expiry_interval()).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        history::HistoryRequest,
        ids::RelayId,
        limits::{FairSemaphore, Permit, Source},
    };
    use std::{cell::Cell, rc::Rc};

    /// A relay that counts its turns.
    struct Witness(Rc<Cell<usize>>);

    impl Actor for Witness {
        type Context = Context<Self>;
    }

    impl Handler<Turn> for Witness {
        type Result = ();

        fn handle(&mut self, _: Turn, _: &mut Self::Context) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[actix::test]
    async fn a_turn_ends_while_the_mailbox_is_never_empty_and_holds_only_queries() {
        let queries: [fn(&Addr<Hub>); 5] = [
            |hub| hub.do_send(Describe { room: "news".parse().unwrap() }),
            |hub| hub.do_send(List { after: None, limit: 10 }),
            |hub| hub.do_send(Read { room: "news".parse().unwrap(), history: HistoryRequest::default() }),
            |hub| hub.do_send(GetCredit { room: "news".parse().unwrap() }),
            |hub| hub.do_send(Commands(Vec::new())),
        ];
        for ask in queries {
            let hub = Hub::new(Arc::default(), Arc::default()).start();
            let turns = Rc::new(Cell::new(0));
            let (relay, connection) = (RelayId(0), ConnectionId::next());
            let started = RelayStarted { relay, turns: Witness(turns.clone()).start().recipient() };
            let finish = Command::Finish(Finish { connection, relay });
            hub.do_send(Commands(vec![Command::RelayStarted(started), finish]));
            (0..10_000).for_each(|_| ask(&hub));
            hub.send(Barrier).await.unwrap();
            assert_eq!(turns.get(), 1, "the relay has its turn before the last query is answered");
        }
    }

    #[actix::test]
    async fn timers_go_on_while_the_mailbox_is_never_empty() {
        let mut settings = Settings::default();
        settings.history.age = Duration::from_millis(1);
        let hub = Hub::new(Arc::new(Policy::new(&settings)), Arc::default()).start();
        let query = || Describe { room: "news".parse().unwrap() };
        let permit = Permit::new(FairSemaphore::new(1).try_acquire(1).unwrap(), None);
        let payloads = vec![crate::wire::Payload::Text("soon forgotten".into())];
        hub.send(Post {
            room: "news".parse().unwrap(),
            payloads,
            key: None,
            source: Source::new(None, false),
            permit,
            peer: None,
        })
        .await
        .unwrap()
        .unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(20) {
            hub.do_send(query()); // asked faster than answered: the hub runs on this very thread
        }
        assert!(hub.send(query()).await.unwrap().unwrap().memory.is_none(), "it was forgotten meanwhile");
    }
}
