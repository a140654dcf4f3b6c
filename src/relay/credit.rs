//! The credit of publishers that a relay holds back while subscribers of their room lag.
//!
//! A room waits for a client that reads at the promised rate, an eighth of `session.outbox_bytes`
//! in `rooms.patience`, for as long as it lags. A client that reads less than half of that rate
//! while publishers wait uses up an account; then the room no longer waits for it, publishers
//! continue at full speed, and the client is closed as too slow. The account is a token bucket over
//! wall time. The [`WaitDebt`] of a room sums up the accounts, also of clients that have left: once
//! it is exhausted, the room waits only for clients that are ahead of half of the promised rate.

use crate::{
    connection::Connection,
    ids::ConnectionId,
    limits::{Credit, Flow, Standing, WaitDebt},
    metrics::Metrics,
    policy::Policy,
};
use std::{
    collections::HashMap,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

/// The interval at which a relay checks lagging clients while publishers wait for them.
pub const CATCH_UP_INTERVAL: Duration = Duration::from_millis(2);

/// The time for which rooms wait for lagging clients; the same for every room.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest time for which credit is held back at once; zero turns waiting off.
    pub limit: Duration,
    /// Bytes that the promised rate delivers in `limit`: an eighth of an outbox.
    eighth: f64,
    /// The kernel's send buffer of one client, in bytes.
    buffer: u64,
    /// The time in which the promised rate empties that buffer.
    buffering: Duration,
    /// The account of a client: the longest time for which a room waits for it in vain.
    allowance: Duration,
    /// The largest credit of a client against half of the promised rate, in time. One full buffer
    /// of the kernel brings a client so far. A client at the promised rate is never behind for
    /// longer.
    most_ahead: Duration,
}

impl Patience {
    /// An outbox is full after so many times `limit` while the client reads nothing.
    const EIGHTHS: u32 = 8;
    /// The largest send buffer that Linux assigns on its own, in bytes.
    const KERNEL_BUFFER: u64 = 4 << 20;

    /// The patience under `policy`.
    pub fn of(policy: &Policy) -> Self {
        let limit = policy.rooms.patience;
        let eighth = Flow::of(policy.session.outbox).eighth() as f64;
        // The kernel accepts no bytes while a third of its buffer is unacknowledged, and then all
        // of that at once.
        let buffer = match policy.session.send_buffer {
            0 => Self::KERNEL_BUFFER,
            bytes => 2 * bytes as u64,
        };
        let buffering = limit.mul_f64(buffer as f64 / eighth);
        let allowance = limit.saturating_mul(Self::EIGHTHS).saturating_add(buffering);
        let most_ahead = buffering.saturating_mul(2).min(allowance);
        Self { limit, eighth, buffer, buffering, allowance, most_ahead }
    }

    /// Converts `bytes` into the time that half of the promised rate takes for them; at most twice
    /// an account.
    fn worth(&self, bytes: u64) -> Duration {
        let eighths = bytes as f64 / self.eighth;
        let most = self.longest_arrears().as_secs_f64();
        Duration::from_secs_f64((2.0 * eighths * self.limit.as_secs_f64()).min(most))
    }

    /// Returns the time after which a client that is always behind half of the promised rate is
    /// given up, however little. At the promised rate, a client makes up for a pause of a whole
    /// account in this time.
    fn longest_arrears(&self) -> Duration {
        self.allowance.saturating_mul(2)
    }

    /// Returns the longest time between two checks that is charged. In a longer one the kernel's
    /// buffer could run empty, which is the fault of a busy thread and not of the client.
    fn longest_interval(&self) -> Duration {
        (self.buffering / 2).max(2 * CATCH_UP_INTERVAL)
    }
}

/// The held credit of one room, and its lagging clients.
#[derive(Default)]
pub struct HeldCredit {
    /// The moment since which credit is held.
    since: Option<Instant>,
    credits: Vec<Credit>,
    /// Every client that lags, or lagged lately.
    lagging: HashMap<ConnectionId, (Weak<Connection>, Account)>,
}

impl HeldCredit {
    /// Notes that a client lags; returns `true` if the room waits for it.
    pub fn note_lag(
        &mut self,
        session: ConnectionId,
        connection: &Rc<Connection>,
        now: Instant,
        patience: &Patience,
        debt: &WaitDebt,
    ) -> bool {
        let standing = debt.standing(patience.most_ahead, Instant::now());
        let account = || (Rc::downgrade(connection), Account::new(connection.accepted(), now, standing));
        let (_, account) = self.lagging.entry(session).or_insert_with(account);
        account.is_waited_for(standing)
    }

    /// Checks all clients that lagged, and charges the time waited in vain to the debt of the room.
    /// Returns `true` if a client that the room waits for still lags.
    pub fn check(&mut self, now: Instant, patience: &Patience, flow: &Flow, metrics: &Metrics) -> bool {
        if self.lagging.is_empty() {
            return false;
        }
        let debt = &*flow.wait_debt;
        let charged_at = Instant::now(); // a clock that the relays of all threads share
        let standing = debt.standing(patience.most_ahead, charged_at);
        let (mut waits, publishers_wait) = (false, flow.is_used_up());
        let charge = |account: &mut Account, ends| {
            if account.charge_room(ends, debt, patience, now, charged_at) {
                metrics.room_patience_exhausted.inc();
            }
        };
        self.lagging.retain(|_, (connection, account)| {
            let Some(connection) = connection.upgrade() else {
                charge(account, true);
                return false;
            };
            let (waited_for, lags) = (account.is_waited_for(standing), connection.has_backlog());
            let held = waited_for && publishers_wait;
            // The end of a connection drops bytes that the kernel has not accepted.
            let ends = !connection.phase().may_send();
            let accepted = if ends { account.accepted } else { connection.accepted() };
            debt.refund(account.check(lags, held, accepted, now, patience));
            if waited_for && account.exhausted {
                metrics.patience_exhausted.inc();
            }
            waits |= lags && account.is_waited_for(standing);
            let ends = account.is_settled(now, patience);
            charge(account, ends);
            !ends
        });
        debt.recover(charged_at, patience.longest_arrears());
        waits
    }

    /// Forgets a client that has left. The debt of the room keeps the time for which the room
    /// waited for it in vain, up to `now`.
    pub fn forget(
        &mut self,
        session: ConnectionId,
        now: Instant,
        patience: &Patience,
        flow: &Flow,
        metrics: &Metrics,
    ) {
        let Some((_, mut account)) = self.lagging.remove(&session) else { return };
        let (debt, charged_at) = (&*flow.wait_debt, Instant::now());
        let waited_for = account.is_waited_for(debt.standing(patience.most_ahead, charged_at));
        let held = waited_for && flow.is_used_up();
        debt.refund(account.check(false, held, account.accepted, now, patience));
        if account.charge_room(true, debt, patience, now, charged_at) {
            metrics.room_patience_exhausted.inc();
        }
    }

    /// Holds `credits` until the room has caught up; returns `true` if none were held before.
    pub fn hold(&mut self, credits: impl Iterator<Item = Credit>, now: Instant) -> bool {
        self.credits.extend(credits);
        self.since.replace(self.since.unwrap_or(now)).is_none()
    }

    /// Returns `true` if the room has waited for `patience.limit`, or holds nothing.
    pub fn has_expired(&self, patience: &Patience, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= patience.limit)
    }

    /// Releases all held credit.
    pub fn release(&mut self) {
        (self.since, self.credits) = (None, Vec::new());
    }

    /// Returns `true` if no credit is held and no client has lagged lately.
    pub fn is_idle(&self) -> bool {
        self.since.is_none() && self.lagging.is_empty()
    }
}

/// The wall time for which a room has waited for one client, against the bytes that the client has
/// read since.
struct Account {
    /// Time waited, minus the time that half of the promised rate needs for the bytes read since.
    debt: Duration,
    /// The time waited since `debt` was zero: the client has been behind half of the promised rate
    /// for so long.
    arrears: Duration,
    /// The part of `arrears` that was charged to the room.
    charged: Duration,
    /// The part of `charged` that the room had not waited for another client at the same time.
    added: Duration,
    /// The time that half of the promised rate needs for the bytes read beyond the debt.
    ahead: Duration,
    /// Time in which the client lagged while no publisher waited. It is not charged, but bytes read
    /// in it are worth nothing until they exceed half of the promised rate.
    free: Duration,
    /// The time for which the client has been checked, the bound of `ahead`: a buffer that fills at
    /// once is no sustained rate.
    observed: Duration,
    /// Since the client last caught up.
    pause: Pause,
    /// Bytes that the kernel had accepted at the last check.
    accepted: u64,
    /// The time of the last check.
    checked: Instant,
    /// The client lagged at the last check.
    lagged: bool,
    /// The client began to lag in the trial of its room.
    on_trial: bool,
    /// The account is used up.
    exhausted: bool,
    /// The first check since which the client has not lagged.
    clear_since: Option<Instant>,
}

/// The time between two lags of a client, in which the kernel accepts everything.
#[derive(Clone, Copy, Default)]
struct Pause {
    time: Duration,
    bytes: u64,
    /// Publishers waited for the client before it.
    held: bool,
}

impl Account {
    /// The account of a client that lags since `now`, in a room of this `standing`.
    fn new(accepted: u64, now: Instant, standing: Standing) -> Self {
        let zero = Duration::ZERO;
        Self {
            debt: zero,
            arrears: zero,
            charged: zero,
            added: zero,
            ahead: zero,
            free: zero,
            observed: zero,
            pause: Pause::default(),
            accepted,
            checked: now,
            lagged: true,
            on_trial: standing == Standing::Trial,
            exhausted: false,
            clear_since: None,
        }
    }

    /// Returns `true` if a room in this `standing` waits for the client: only clients that are
    /// ahead of half of the promised rate are known to be fast enough.
    fn is_waited_for(&self, standing: Standing) -> bool {
        let is_given_time = match standing {
            Standing::Open => true,
            Standing::Trial => self.on_trial,
            Standing::Exhausted => false,
        };
        !self.exhausted && (is_given_time || !self.ahead.is_zero())
    }

    /// Records whether the client lags at `now`, whether publishers wait for it (`held`), and the
    /// total of bytes that the kernel has accepted. Returns the time to refund to the room, since
    /// the client has made up for it.
    fn check(
        &mut self,
        lags: bool,
        held: bool,
        accepted: u64,
        now: Instant,
        patience: &Patience,
    ) -> Duration {
        let elapsed = now.saturating_duration_since(self.checked);
        let bytes = accepted.saturating_sub(self.accepted);
        if self.lagged {
            self.spend(elapsed.min(patience.longest_interval()), held, patience);
            self.pause = Pause { held, ..Pause::default() };
        } else {
            self.pause.time = self.pause.time.saturating_add(elapsed);
            self.pause.bytes = self.pause.bytes.saturating_add(bytes);
        }
        if lags && !self.lagged {
            self.spend_pause(patience);
        }
        let refund = self.earn(patience.worth(bytes), patience);
        self.exhausted |= self.debt >= patience.allowance || self.arrears >= patience.longest_arrears();
        self.clear_since = if lags { None } else { self.clear_since.or(Some(now)) };
        (self.accepted, self.checked, self.lagged) = (accepted, now, lags);
        refund
    }

    /// Counts a pause between two lags as lag if the kernel's buffer did not run empty in it: the
    /// client was reading all the time, and publishers were only paced to its rate.
    fn spend_pause(&mut self, patience: &Patience) {
        let Pause { time, bytes, held } = std::mem::take(&mut self.pause);
        if bytes < patience.buffer {
            self.spend(time.min(patience.buffering), held, patience);
        }
    }

    fn spend(&mut self, time: Duration, held: bool, patience: &Patience) {
        self.observed = self.observed.saturating_add(time);
        let rest = time.saturating_sub(self.ahead);
        self.ahead = self.ahead.saturating_sub(time);
        if held {
            self.debt += rest;
            self.arrears += rest;
        } else {
            self.free = (self.free + rest).min(patience.allowance);
        }
    }

    /// Makes up for `time`; returns the time to refund to the room once there is no debt.
    fn earn(&mut self, time: Duration, patience: &Patience) -> Duration {
        let time = pay(&mut self.free, time);
        let time = pay(&mut self.debt, time);
        if !self.debt.is_zero() {
            return Duration::ZERO;
        }
        self.ahead = (self.ahead + time).min(patience.most_ahead).min(self.observed);
        (self.arrears, self.charged) = (Duration::ZERO, Duration::ZERO);
        std::mem::take(&mut self.added)
    }

    /// Charges arrears to the room: longer ones than a client at the promised rate has, and any
    /// when the account `ends`. `now` is the same moment as `charged_at`, on the clock of the relay.
    /// Returns `true` if the debt of the room reaches its bound now.
    fn charge_room(
        &mut self,
        ends: bool,
        debt: &WaitDebt,
        patience: &Patience,
        now: Instant,
        charged_at: Instant,
    ) -> bool {
        let due = self.arrears.saturating_sub(self.charged);
        if due.is_zero() || !(ends || self.arrears > patience.most_ahead) {
            return false;
        }
        let clear = self.clear_since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        let waited_until = charged_at.checked_sub(clear).unwrap_or(charged_at);
        let charge = debt.charge(due, waited_until, patience.longest_arrears(), charged_at);
        self.charged = self.arrears;
        self.added += charge.added;
        charge.exhausts
    }

    /// Returns `true` if the account can be dropped: the client does not lag and owes nothing, or
    /// has not lagged for the length of an account. A client far ahead is remembered for twice that
    /// time, since later clients may exhaust the room in the meantime.
    fn is_settled(&self, now: Instant, patience: &Patience) -> bool {
        let (owes, is_far_ahead) =
            (self.exhausted || !self.debt.is_zero(), self.ahead >= patience.most_ahead);
        let kept = match (owes, is_far_ahead) {
            (true, _) => patience.allowance,
            (false, true) => 2 * patience.allowance,
            (false, false) => Duration::ZERO,
        };
        self.clear_since.is_some_and(|since| now.saturating_duration_since(since) >= kept)
    }
}

/// Subtracts up to `time` from `debt`; returns the time that is left.
fn pay(debt: &mut Duration, time: Duration) -> Duration {
    let paid = time.min(*debt);
    *debt -= paid;
    time - paid
}

#[cfg(test)]
mod tests;
