//! The relay of one worker thread: an actor that receives the hub's turns and delivers to each
//! session its part, once.

mod welcome; // the first frames of an admitted session
mod newcomers; // admitted sessions that wait for a history
mod credit; // credit held back while subscribers lag
mod drain; // the schedule of closes at shutdown
mod hub_sender; // commands to the hub, sent together
mod local_room; // members of one room on this thread
mod local_sessions; // sessions of this thread, by connection and by room

pub use hub_sender::HubSender;
pub use local_sessions::LocalSessions;

use crate::{
    backplane::Finish,
    clock,
    connection::Connection,
    delivery::{HistoryCache, Subscriber},
    exit::PanicGuard,
    hub::{Command, Event, Hub, Load, PresenceReply, RelayStarted, Stint, Turn, TurnLimits},
    ids::{ConnectionId, RelayId},
    logging::REPEATING,
    protocol::{CloseReason, Protocol, v1},
    shared::Shared,
    transport::READ_SIZE,
    wire::{self, Inflater},
};
use actix::prelude::*;
use credit::CATCH_UP_INTERVAL;
use drain::DrainSchedule;
use log::warn;
use newcomers::{Newcomers, WaitingNewcomer};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::yield_now;

/// The state that the sessions of one thread share with its relay.
pub struct WorkerContext {
    /// The state that all threads share.
    pub shared: Arc<Shared>,
    /// The relay of this thread.
    pub relay: RelayId,
    /// The way to the hub.
    pub hub: HubSender,
    /// The sessions of this thread.
    pub local_sessions: RefCell<LocalSessions>,
    /// The buffer of each read from a socket: the bytes are decoded before the next read, so one
    /// buffer is enough for all sessions.
    pub read_buffer: RefCell<Box<[u8]>>,
    /// Inflates the compressed messages of all sessions.
    pub inflater: RefCell<Inflater>,
}

impl WorkerContext {
    /// The state of a new thread, without sessions.
    pub fn new(shared: Arc<Shared>, relay: RelayId, hub: Addr<Hub>) -> Self {
        let local_sessions = RefCell::new(LocalSessions::new(&shared.policy.load()));
        let read_buffer = RefCell::new(vec![0; READ_SIZE].into());
        let (hub, inflater) = (HubSender::new(hub), RefCell::default());
        Self { shared, relay, hub, local_sessions, read_buffer, inflater }
    }
}

/// The actor that delivers messages to the sessions of its thread.
pub struct Relay {
    worker: Rc<WorkerContext>,
    /// The messages and bytes since the last flush.
    gathered: Load,
    turn_limits: TurnLimits,
    stint: Stint,
    histories: HistoryCache,
    newcomers: Newcomers,
    /// A flush will follow when the mailbox is empty.
    flush_is_due: bool,
    /// A check of held credit will follow.
    waits_for_subscribers: bool,
    drain_schedule: Option<DrainSchedule>,
    /// The last check of deadlines was skipped after a standstill, so that input is read before
    /// clients are judged.
    skipped_check: bool,
    _guard: PanicGuard,
}

/// The shortest standstill that is logged.
const LONG_STANDSTILL: Duration = Duration::from_secs(1);

/// The interval at which sessions are closed while the server drains.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

impl Relay {
    /// Creates the relay of this thread.
    pub fn new(worker: Rc<WorkerContext>) -> Self {
        let policy = worker.shared.policy.load_full();
        Self {
            turn_limits: TurnLimits::of(policy.session.outbox),
            histories: HistoryCache::new(
                policy.limits.history_cache_bytes,
                worker.shared.metrics.clone(),
                worker.shared.limits.backlog.clone(),
            ),
            newcomers: Newcomers::default(),
            worker,
            gathered: Load::default(),
            stint: Stint::default(),
            flush_is_due: false,
            waits_for_subscribers: false,
            drain_schedule: None,
            skipped_check: false,
            _guard: PanicGuard("relay"),
        }
    }

    fn handle_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        match event {
            Event::Broadcast { room, broadcast } => {
                self.gather(1, broadcast.bytes(), ctx);
                self.worker.local_sessions.borrow_mut().queue(room, broadcast);
            }
            Event::Admitted { connection: id, room, flow, admission } => {
                let mut local_sessions = self.worker.local_sessions.borrow_mut();
                let subscriber =
                    Subscriber { connection: id, who: admission.who, resumed: admission.resumed };
                let Some(connection) = local_sessions.admit(subscriber, room, flow) else { return };
                if admission.history.messages.is_empty() {
                    welcome::greet(connection, &admission, &self.worker.shared.tokens);
                } else {
                    connection.await_history(); // every turn ends with a visit to the newcomers
                    let group = (room, connection.encoding);
                    self.newcomers.add(group, WaitingNewcomer { connection: id, admission });
                    self.worker.shared.metrics.newcomers_waiting.inc();
                }
                self.gathered.add(1, 0);
                drop(local_sessions);
                if let Some(drain_schedule) = &mut self.drain_schedule {
                    drain_schedule.add(id);
                }
            }
            Event::Presence { connection: id, presence } => {
                let PresenceReply { reference, present, .. } = *presence;
                let answer = wire::plain(&v1::presence(reference.as_ref(), &present));
                self.gather(1, answer.len(), ctx);
                self.after_flush(id, |connection| connection.push(&answer, 1));
            }
            Event::Refused { connection: id, reason } => {
                self.after_flush(id, |connection| connection.close(reason));
            }
            Event::Unconfirmed { connection: id, reference } => {
                let error = wire::plain(&v1::unconfirmed(reference.as_ref()));
                self.gather(1, error.len(), ctx);
                self.after_flush(id, |connection| match connection.encoding.protocol {
                    Protocol::V1 => connection.push(&error, 1),
                    Protocol::Raw | Protocol::Events(_) => connection.close(CloseReason::Overloaded),
                });
            }
            Event::HistoryLost { room, notice } => {
                self.gather(1, notice.bytes(), ctx);
                self.worker.local_sessions.borrow_mut().queue(room, notice);
                self.flush(); // all earlier messages, and the notice
                self.worker.local_sessions.borrow().close_without_notices(room, &CloseReason::HistoryLost);
            }
            Event::Finished { connection: id } => self.after_flush(id, Connection::finish),
            Event::Draining { over } => self.drain(over, ctx),
        }
    }

    /// Counts a delivery to come. Beyond the limits of a turn, the earlier messages are flushed
    /// first, and the sockets of this thread are served after this turn.
    fn gather(&mut self, messages: usize, bytes: usize, ctx: &mut Context<Self>) {
        if self.gathered.is_full(bytes, self.turn_limits) {
            self.flush();
            self.yield_to_io(ctx);
        }
        self.gathered.add(messages, bytes);
    }

    /// Flushes when the mailbox is empty: turns that wait together are delivered together.
    fn flush_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.flush_is_due, true) {
            return;
        }
        ctx.spawn(fut::ready(()).map(|(), relay: &mut Self, ctx| {
            relay.flush_is_due = false;
            relay.flush();
            relay.wait_for_subscribers(ctx);
            relay.yield_to_io(ctx);
        }));
    }

    fn flush(&mut self) {
        self.gathered = Load::default();
        self.worker.local_sessions.borrow_mut().flush(&self.worker.shared.metrics);
    }

    /// Handles no turn before the sockets of this thread, and then newcomers, have been served.
    fn yield_to_io(&mut self, ctx: &mut Context<Self>) {
        self.stint = Stint::default();
        // `ctx.wait` alone would be cut short by the next message.
        let look = actix::spawn(yield_now());
        ctx.wait(look.into_actor(self).map(|_, relay, ctx| relay.serve_newcomers(ctx)));
    }

    /// Encodes and sends histories for a short time, and goes on after the next flush.
    fn serve_newcomers(&mut self, ctx: &mut Context<Self>) {
        let before = self.newcomers.waiting();
        if before == 0 {
            return;
        }
        let began = Instant::now();
        while self.serve_newcomer() && began.elapsed() < Newcomers::STINT {}
        let local_sessions = self.worker.local_sessions.borrow();
        self.newcomers
            .drop_left(local_sessions.count(), |connection| local_sessions.connection(connection).is_some());
        drop(local_sessions);
        let served = before - self.newcomers.waiting();
        self.worker.shared.metrics.newcomers_waiting.dec_by(served as i64);
        if self.newcomers.waiting() > 0 {
            self.flush_soon(ctx);
        }
    }

    /// Encodes a piece of the history of the next newcomer; with the last piece, the newcomer
    /// receives it. Returns `false` if there is no newcomer.
    fn serve_newcomer(&mut self) -> bool {
        let Some(((room, encoding), newcomer)) = self.newcomers.first() else { return false };
        let local_sessions = self.worker.local_sessions.borrow();
        let connection = local_sessions.connection(newcomer.connection);
        match connection.filter(|connection| connection.awaits_history()) {
            None => drop(self.newcomers.take_first()), // it has left, or its connection ends
            Some(connection) => {
                if self.histories.encode_some(room, encoding, &newcomer.admission.history)
                    && let Some(WaitingNewcomer { mut admission, .. }) = self.newcomers.take_first()
                {
                    let (tokens, histories) = (&self.worker.shared.tokens, &self.histories);
                    welcome::send_history(connection, room, &mut admission, tokens, histories);
                }
            }
        }
        true
    }

    /// Checks held credit at intervals, until no room holds any.
    fn wait_for_subscribers(&mut self, ctx: &mut Context<Self>) {
        if self.waits_for_subscribers || !self.worker.local_sessions.borrow().holds_credit() {
            return;
        }
        self.waits_for_subscribers = true;
        ctx.run_later(CATCH_UP_INTERVAL, |relay, ctx| {
            relay.waits_for_subscribers = false;
            relay
                .worker
                .local_sessions
                .borrow_mut()
                .release_credit(clock::now(), &relay.worker.shared.metrics);
            relay.wait_for_subscribers(ctx);
        });
    }

    /// Closes sessions whose deadlines have passed. After a standstill no session is judged before
    /// the next check: its input of the meantime must be read first.
    fn check_deadlines(&mut self) {
        if let Some(standstill) = clock::take_standstill() {
            self.note(standstill);
            // A thread that is always late checks every other time.
            self.skipped_check = !self.skipped_check;
            if self.skipped_check {
                return;
            }
        }
        self.skipped_check = false;
        let (now, policy) = (clock::now(), self.worker.shared.policy.load());
        for connection in self.worker.local_sessions.borrow().connections() {
            connection.check_deadlines(now, &policy.session.deadlines);
        }
    }

    fn note(&self, standstill: Duration) {
        self.worker.shared.metrics.standstills.inc();
        if standstill >= LONG_STANDSTILL {
            warn!(
                target: REPEATING,
                "this process, or a thread of it, stood still for {standstill:.1?}: the deadlines of its clients are that much later"
            );
        }
    }

    fn drain(&mut self, over: Duration, ctx: &mut Context<Self>) {
        let sessions = self.worker.local_sessions.borrow().sessions().collect();
        self.drain_schedule = Some(DrainSchedule::spread(sessions, over, clock::now()));
        ctx.run_interval(DRAIN_INTERVAL, |relay, _| relay.close_due());
        self.close_due();
    }

    /// Closes the sessions whose moment has come: each stops reading, and is closed after the hub
    /// has delivered everything published before.
    fn close_due(&mut self) {
        let Some(drain_schedule) = &mut self.drain_schedule else { return };
        let WorkerContext { relay, hub, local_sessions, .. } = &*self.worker;
        for id in drain_schedule.due(clock::now()) {
            if let Some(connection) = local_sessions.borrow().connection(id) {
                connection.stop_reading(CloseReason::Restart);
                // Once for each session.
                hub.send(Command::Finish(Finish { connection: id, relay: *relay }));
            }
        }
    }

    /// Acts on a connection after everything published before has been delivered.
    fn after_flush(&mut self, id: ConnectionId, act: impl FnOnce(&Connection)) {
        self.flush();
        if let Some(connection) = self.worker.local_sessions.borrow().connection(id) {
            act(connection);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.worker.shared.metrics.newcomers_waiting.dec_by(self.newcomers.waiting() as i64);
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let started = RelayStarted { relay: self.worker.relay, turns: ctx.address().recipient() };
        self.worker.hub.send(Command::RelayStarted(started)); // the first command of this thread
        let worker = self.worker.clone();
        // A task of its own: as a future of this actor it would run before the other tasks.
        actix::spawn(async move { worker.hub.run().await });
        let interval = self.worker.shared.policy.load().session.deadlines.sweep_interval();
        clock::ticks_every(interval);
        ctx.run_interval(interval, |relay, _| relay.check_deadlines());
        ctx.run_interval(HistoryCache::LIFETIME / 10, |relay, _| relay.histories.drop_unused(Instant::now()));
    }
}

impl Handler<Turn> for Relay {
    type Result = ();

    fn handle(&mut self, Turn(events): Turn, ctx: &mut Self::Context) {
        let stint_is_over = self.stint.count(Instant::now());
        for event in events {
            self.handle_event(event, ctx);
        }
        if stint_is_over || self.gathered.is_full(0, self.turn_limits) {
            self.flush();
            self.wait_for_subscribers(ctx);
            self.yield_to_io(ctx); // under load the mailbox never becomes empty
        } else {
            self.flush_soon(ctx);
        }
    }
}

#[cfg(test)]
mod lost_messages; // notices to members when the backplane has lost messages

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::Audience,
        testing::{broadcast, slot, worker},
    };
    use std::{cell::Cell, future::poll_fn, task::Poll};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, copy},
        net::UnixStream,
        task::spawn_local,
    };

    #[actix::test]
    async fn sockets_are_served_between_flushes() {
        const LOOKS: usize = 100;
        let relay = Relay::new(worker().0).start();
        let looks = Rc::new(Cell::new(0));
        let (mut one, mut other) = UnixStream::pair().unwrap();
        spawn_local(async move {
            let (mut from, mut to) = other.split();
            copy(&mut from, &mut to).await.unwrap();
        });
        let seen = looks.clone();
        let watch = spawn_local(async move {
            while seen.get() < LOOKS {
                one.write_u8(0).await.unwrap();
                one.read_u8().await.unwrap(); // after two looks at the sockets
                seen.set(seen.get() + 1);
            }
        });
        let speak = spawn_local(async move {
            let (message, room) = (broadcast("news", Audience::Everyone), slot());
            let mut turns = [0; LOOKS + 1];
            while looks.get() < LOOKS {
                if Arc::strong_count(&message) == 1 {
                    turns[looks.get()] += 1; // the earlier ones were handled
                    relay.do_send(Turn(vec![Event::Broadcast { room, broadcast: message.clone() }]));
                }
                let_tasks_go_on().await;
            }
            turns
        });
        watch.await.unwrap();
        let turns = speak.await.unwrap();
        assert!(turns.iter().all(|turns| *turns <= 4), "{turns:?} turns between looks");
    }

    #[actix::test]
    async fn sockets_are_served_while_the_mailbox_is_never_empty() {
        const TURNS: usize = 2000;
        let relay = Relay::new(worker().0).start();
        let (message, room) = (broadcast("news", Audience::Everyone), slot());
        for _ in 0..TURNS {
            let sent = Event::Broadcast { room, broadcast: message.clone() };
            let finished = Event::Finished { connection: ConnectionId::next() }; // flushes the gathered events
            relay.do_send(Turn(vec![sent, finished]));
        }
        while Arc::strong_count(&message) > TURNS {
            yield_now().await;
        }
        let left = Arc::strong_count(&message);
        assert!(left > TURNS / 2, "{left} of {TURNS} turns are left when another task has its go");
    }

    /// Yields as if another thread had woken this task, without serving sockets.
    async fn let_tasks_go_on() {
        let mut is_first = true;
        let pause = poll_fn(|task| match std::mem::take(&mut is_first) {
            true => {
                task.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(()),
        });
        pause.await;
    }
}
