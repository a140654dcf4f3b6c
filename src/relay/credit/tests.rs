//! Accounts of clients in a simulated room, on a virtual clock.

use super::*;
use crate::{
    limits::Backlog,
    protocol::{CloseReason, Encoding, Protocol},
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// Bytes that the kernel accepts at once for a client: a third of its buffer.
const STEP: f64 = 43e3;

/// A client that reads `rate` bytes in a second.
#[derive(Clone, Copy)]
struct Reader {
    rate: f64,
    /// The client reads only when so many bytes are due.
    burst: f64,
    /// The time after which the client leaves, and another of its kind joins.
    stay: Option<Duration>,
}

impl Reader {
    /// A client that reads steadily and stays.
    fn at(rate: f64) -> Self {
        Self { rate, burst: 1.0, stay: None }
    }
}

/// One client of a simulated room.
struct Client {
    reader: Reader,
    joined: Duration,
    due: f64,
    /// Bytes in the kernel's buffer.
    kernel: f64,
    /// Bytes that the kernel has not accepted.
    outbox: f64,
    accepted: f64,
    account: Option<Account>,
}

impl Client {
    fn new(reader: Reader, joined: Duration) -> Self {
        Self { reader, joined, due: 0.0, kernel: 0.0, outbox: 0.0, accepted: 0.0, account: None }
    }

    fn lags(&self) -> bool {
        self.outbox >= 1.0
    }

    fn read(&mut self, time: Duration, buffer: f64) {
        self.due += self.reader.rate * time.as_secs_f64();
        if self.due >= self.reader.burst {
            let read = self.due.min(self.kernel);
            self.kernel -= read;
            self.due = if read < self.due { 0.0 } else { self.due - read };
        }
        if buffer - self.kernel >= STEP {
            let accepted = self.outbox.min(buffer - self.kernel);
            self.accept(accepted);
            self.outbox -= accepted;
        }
    }

    fn accept(&mut self, bytes: f64) {
        self.kernel += bytes;
        self.accepted += bytes;
    }

    fn receive(&mut self, bytes: f64, buffer: f64) {
        let accepted = if self.lags() { 0.0 } else { bytes.min(buffer - self.kernel) };
        self.accept(accepted);
        self.outbox += bytes - accepted;
    }

    fn is_waited_for(&self, standing: Standing) -> bool {
        self.account.as_ref().is_none_or(|account| account.is_waited_for(standing))
    }
}

/// A room with publishers that send `speed` bytes in a second, in pieces of a room's credit.
struct Room {
    speed: f64,
    piece: f64,
    clients: Vec<Client>,
    debt: WaitDebt,
    patience: Patience,
    begin: Instant,
    held_since: Option<Duration>,
    publishers_wait: bool,
    /// Clients that were closed come back at once, and not with the speed of others.
    come_back: bool,
    given_up: usize,
    closed: Vec<f64>,
}

/// The part of the time for which publishers waited.
#[derive(Debug)]
struct Held {
    /// In the first ten seconds.
    first: f64,
    /// In the minute after them.
    later: f64,
    /// Clients that the room stopped to wait for.
    given_up: usize,
    /// The rates of the clients that were closed as too slow.
    closed: Vec<f64>,
}

impl Room {
    /// Messages of 24 bytes: a room's credit is 128 of them.
    const SHORT: f64 = 128.0 * 24.0;

    fn with(readers: &[Reader]) -> Self {
        let client = |(number, reader): (usize, &Reader)| {
            let apart = reader.stay.unwrap_or_default().mul_f64(number as f64 / readers.len() as f64);
            Client::new(*reader, apart)
        };
        Self {
            speed: 9.6e6,
            piece: Self::SHORT,
            clients: readers.iter().enumerate().map(client).collect(),
            debt: WaitDebt::default(),
            patience: Patience::of(&Policy::default()),
            begin: Instant::now(),
            held_since: None,
            publishers_wait: false,
            come_back: true,
            given_up: 0,
            closed: vec![],
        }
    }

    fn replace(&mut self, index: usize, at: Duration) {
        let reader = self.clients[index].reader;
        let left = std::mem::replace(&mut self.clients[index], Client::new(reader, at));
        if let Some(mut account) = left.account {
            let held = account.is_waited_for(self.standing(at)) && self.publishers_wait;
            let now = self.begin + at;
            self.debt.refund(account.check(false, held, left.accepted as u64, now, &self.patience));
            account.charge_room(true, &self.debt, &self.patience, now, now);
        }
    }

    fn check(&mut self, at: Duration) {
        let (now, standing) = (self.begin + at, self.standing(at));
        for client in &mut self.clients {
            let lags = client.lags();
            let Some(account) = &mut client.account else { continue };
            let waited_for = account.is_waited_for(standing);
            let held = waited_for && self.publishers_wait;
            self.debt.refund(account.check(lags, held, client.accepted as u64, now, &self.patience));
            self.given_up += usize::from(waited_for && account.exhausted);
            let ends = account.is_settled(now, &self.patience);
            account.charge_room(ends, &self.debt, &self.patience, now, now);
            client.account.take_if(|_| ends);
        }
        self.debt.recover(now, self.patience.longest_arrears());
    }

    fn standing(&self, at: Duration) -> Standing {
        self.debt.standing(self.patience.most_ahead, self.begin + at)
    }

    fn is_held(&self, at: Duration) -> bool {
        let standing = self.standing(at);
        self.clients.iter().any(|client| client.lags() && client.is_waited_for(standing))
    }

    fn publish(&mut self, at: Duration) {
        let (mut budget, buffer) =
            (self.speed * CATCH_UP_INTERVAL.as_secs_f64(), self.patience.buffer as f64);
        let expired = self.held_since.is_some_and(|since| at - since >= self.patience.limit);
        let mut credit = if expired { self.piece } else { 0.0 };
        self.publishers_wait = false;
        while budget > 0.0 {
            if self.is_held(at) && credit <= 0.0 {
                self.publishers_wait = true;
                break;
            }
            let piece = budget.min(self.piece);
            (budget, credit) = (budget - piece, credit - piece);
            let standing = self.standing(at);
            for index in 0..self.clients.len() {
                let client = &mut self.clients[index];
                client.receive(piece, buffer);
                if client.lags() && client.account.is_none() {
                    client.account = Some(Account::new(client.accepted as u64, self.begin + at, standing));
                }
                if client.outbox > 8.0 * self.piece {
                    self.closed.push(client.reader.rate);
                    client.reader.rate = if self.come_back { client.reader.rate } else { f64::MAX };
                    self.replace(index, at);
                }
            }
        }
        self.held_since = self.publishers_wait.then(|| self.held_since.filter(|_| !expired).unwrap_or(at));
    }

    /// Runs for 70 seconds.
    fn run(mut self) -> Held {
        let (mut first, mut later) = (0, 0);
        for tick in 1..=35_000 {
            let at = CATCH_UP_INTERVAL * tick;
            for index in 0..self.clients.len() {
                let client = &mut self.clients[index];
                client.read(CATCH_UP_INTERVAL, self.patience.buffer as f64);
                if client.reader.stay.is_some_and(|stay| at >= client.joined + stay) {
                    self.replace(index, at);
                }
            }
            self.check(at);
            self.publish(at);
            *if tick <= 5_000 { &mut first } else { &mut later } += u32::from(self.publishers_wait);
        }
        let part = |held: u32, of: u32| f64::from(held) / f64::from(of);
        Held {
            first: part(first, 5_000),
            later: part(later, 30_000),
            given_up: self.given_up,
            closed: self.closed,
        }
    }
}

/// Publishers in bytes per second, with the credit of a room in bytes: of short messages, of the
/// same as an event stream, and of long messages.
const PUBLISHERS: [(f64, f64); 3] = [(9.6e6, Room::SHORT), (9.6e6, 3.0 * Room::SHORT), (50e6, 131e3)];

/// Half of the promised rate is 655 KB/s.
const BELOW_HALF: [f64; 6] = [1.0, 60e3, 300e3, 400e3, 500e3, 640e3];

fn assert_is_not_held_for_long(room: Room, case: &str) {
    let held = room.run();
    assert!(held.first < 0.65, "{case}: {:.2}", held.first);
    assert!(held.later < 0.31, "{case}: {:.2}", held.later);
    assert!(!held.closed.is_empty(), "{case}");
}

#[test]
fn a_client_below_half_of_the_promised_rate_does_not_hold_a_room() {
    for rate in BELOW_HALF {
        for burst in [1.0, 30e3] {
            for (speed, piece) in PUBLISHERS {
                let room = Room { speed, piece, ..Room::with(&[Reader { burst, ..Reader::at(rate) }]) };
                assert_is_not_held_for_long(room, &format!("{rate} {burst} {speed} {piece}"));
            }
        }
    }
}

#[test]
fn clients_below_half_of_the_promised_rate_that_take_turns_do_not_hold_a_room() {
    for rate in BELOW_HALF {
        for (count, stay) in [(1, 300), (3, 300), (8, 100), (8, 300), (8, 800), (8, 3000)] {
            let reader = Reader { stay: Some(Duration::from_millis(stay)), ..Reader::at(rate) };
            let room = Room::with(&vec![reader; count]);
            assert_is_not_held_for_long(room, &format!("{rate} {count} {stay}"));
        }
    }
}

#[test]
fn a_room_waits_for_clients_at_the_promised_rate_for_as_long_as_they_lag() {
    for rate in [1.311e6, 1.4e6] {
        for (burst, count) in [(1.0, 1), (30e3, 3), (128e3, 8)] {
            for (speed, piece) in PUBLISHERS {
                let reader = Reader { burst, ..Reader::at(rate) };
                let room = Room { speed, piece, ..Room::with(&vec![reader; count]) };
                let held = room.run();
                assert_eq!((held.given_up, held.closed.len()), (0, 0), "{rate} {burst} {speed}");
                assert!(held.later > 0.5, "the room is always held: {held:.2?}");
            }
        }
    }
}

#[test]
fn a_client_at_the_promised_rate_is_waited_for_after_another_was_given_up() {
    for slow in [60e3, 400e3, 640e3] {
        let room = Room::with(&[Reader::at(slow), Reader::at(1.4e6)]);
        assert_eq!(Room { come_back: false, ..room }.run().closed, [slow]);
    }
}

#[test]
fn a_client_is_charged_nothing_while_no_publisher_waits() {
    let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
    let mut account = Account::new(0, begin, Standing::Open);
    for tick in 1..10_000 {
        account.check(true, false, 0, begin + CATCH_UP_INTERVAL * tick, &patience);
    }
    assert!(account.is_waited_for(Standing::Open));
    assert_eq!(account.arrears, Duration::ZERO);
}

#[test]
fn a_buffer_that_fills_at_once_is_no_rate() {
    let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
    let mut account = Account::new(0, begin, Standing::Open);
    account.check(true, true, 4 << 20, begin + CATCH_UP_INTERVAL, &patience);
    assert!(account.ahead <= CATCH_UP_INTERVAL, "{:?}", account.ahead);
}

#[test]
fn a_client_that_was_given_up_is_waited_for_again_when_it_has_kept_up_for_a_while() {
    let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
    let mut account = Account::new(0, begin, Standing::Open);
    let mut now = begin;
    while account.is_waited_for(Standing::Open) {
        now += CATCH_UP_INTERVAL;
        account.check(true, true, 0, now, &patience);
    }
    let clear = now + CATCH_UP_INTERVAL;
    account.check(false, false, 1 << 30, clear, &patience);
    assert!(!account.is_waited_for(Standing::Open), "it remembers, however much the client takes at once");
    let almost = clear + patience.allowance - CATCH_UP_INTERVAL;
    account.check(false, false, 1 << 30, almost, &patience);
    assert!(!account.is_settled(almost, &patience));
    account.check(true, false, 1 << 30, almost, &patience);
    assert!(!account.is_settled(clear + patience.allowance, &patience), "it lagged again");
    account.check(false, false, 1 << 30, almost, &patience);
    assert!(account.is_settled(almost + patience.allowance, &patience));
}

#[test]
fn a_relay_that_was_held_up_charges_no_client_for_it() {
    let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
    let mut account = Account::new(0, begin, Standing::Open);
    account.check(true, true, 0, begin + 10 * patience.allowance, &patience);
    assert!(account.is_waited_for(Standing::Open));
}

/// A room without free credit, and a connection of it whose client reads nothing.
struct Stalled {
    held: HeldCredit,
    flow: Flow,
    patience: Patience,
    session: ConnectionId,
    connection: Rc<Connection>,
    begin: Instant,
    _used_up: Credit,
    _client: TcpStream,
}

impl Stalled {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        socket.writable().await.unwrap();
        let policy = Policy::default();
        let backlog = Arc::new(Backlog::new(policy.session.outbox, policy.limits.outbox_bytes_total));
        let encoding = Encoding { protocol: Protocol::Raw, window: None };
        let connection = Rc::new(Connection::new(socket.into(), encoding, backlog));
        let frame = Bytes::from(vec![0; policy.session.outbox.bytes / 2]);
        while !connection.has_backlog() {
            connection.push(&frame, 1);
        }
        connection.push(&frame, 1); // no byte of it is written
        let flow = Flow::of(policy.session.outbox);
        let used_up = Arc::new(flow.try_acquire(flow.messages_at_once()).unwrap());
        let (patience, session, begin) = (Patience::of(&policy), ConnectionId::next(), Instant::now());
        let mut held = HeldCredit::default();
        assert!(held.note_lag(session, &connection, begin, &patience, &flow.wait_debt));
        Self { held, flow, patience, session, connection, begin, _used_up: used_up, _client: client }
    }

    /// Checks the client at intervals until `at`; returns the time that is charged to the room.
    fn charged(&mut self, at: Duration) -> Duration {
        let ticks = at.div_duration_f64(CATCH_UP_INTERVAL) as u32;
        for tick in 1..=ticks {
            let now = self.begin + CATCH_UP_INTERVAL * tick;
            self.held.check(now, &self.patience, &self.flow, &Metrics::new());
        }
        self.held.lagging[&self.session].1.added
    }
}

#[tokio::test]
async fn a_room_gets_no_time_back_for_bytes_that_the_end_of_a_client_drops() {
    let mut room = Stalled::new().await;
    let waited = room.patience.most_ahead + CATCH_UP_INTERVAL * 2;
    let charged = room.charged(waited);
    assert!(charged > room.patience.most_ahead);
    room.connection.close(CloseReason::TooSlow);
    room.held.check(room.begin + waited, &room.patience, &room.flow, &Metrics::new());
    assert!(room.held.lagging[&room.session].1.added >= charged);
}

#[tokio::test]
async fn a_wait_is_charged_up_to_the_moment_in_which_the_client_leaves() {
    let (mut room, metrics) = (Stalled::new().await, Metrics::new());
    let stay = Duration::from_millis(40); // no check in it
    room.patience.allowance = stay / 2; // of a client, and half of that of the room
    room.held.forget(room.session, room.begin + stay, &room.patience, &room.flow, &metrics);
    assert_eq!(metrics.room_patience_exhausted.get(), 1);
}
