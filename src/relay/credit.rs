//! The credit of publishers that a relay holds back while subscribers of their room lag.
//!
//! A room waits for a client that reads at the promised rate, an eighth of `session.outbox_bytes`
//! in `rooms.patience`, for as long as it lags. A client that reads less than half of that rate
//! uses up an account; then the room no longer waits for it, publishers continue at full speed, and
//! the client is closed as too slow. The [`WaitDebt`] of a room sums up the accounts, also of
//! clients that have left: once it is exhausted, the room waits only for clients that are ahead of
//! half of the promised rate.

use crate::{
    connection::Connection,
    ids::ConnectionId,
    limits::{Credit, Flow, WaitDebt},
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
    /// The account of a client: the longest time for which a room waits for it in vain.
    allowance: Duration,
    /// The largest credit of a client against half of the promised rate, in time. One full buffer
    /// of the kernel brings a client so far.
    most_ahead: Duration,
}

impl Patience {
    /// An outbox is full after so many times `limit` while the client reads nothing.
    const EIGHTHS: u32 = 8;
    /// The largest send buffer that Linux assigns on its own, in bytes.
    const KERNEL_BUFFER: f64 = (4 << 20) as f64;

    /// The patience under `policy`.
    pub fn of(policy: &Policy) -> Self {
        let limit = policy.rooms.patience;
        let eighth = Flow::of(policy.session.outbox).eighth() as f64;
        // The kernel accepts no bytes while a third of its buffer is unacknowledged, and then all
        // of that at once.
        let buffer = match policy.session.send_buffer {
            0 => Self::KERNEL_BUFFER,
            bytes => 2.0 * bytes as f64,
        };
        let buffering = limit.mul_f64(buffer / eighth);
        let allowance = limit.saturating_mul(Self::EIGHTHS).saturating_add(buffering);
        let most_ahead = buffering.saturating_mul(2).min(allowance);
        Self { limit, eighth, allowance, most_ahead }
    }

    /// Converts `bytes` into the time that half of the promised rate takes for them; at most an
    /// account.
    fn worth(&self, bytes: u64) -> Duration {
        let eighths = bytes as f64 / self.eighth;
        let allowance = self.allowance.as_secs_f64();
        Duration::from_secs_f64((2.0 * eighths * self.limit.as_secs_f64()).min(allowance))
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
        debt: &WaitDebt,
    ) -> bool {
        let accepted = connection.accepted();
        let account = || (Rc::downgrade(connection), Account::new(accepted, now));
        let (_, account) = self.lagging.entry(session).or_insert_with(account);
        account.is_waited_for(debt.is_exhausted())
    }

    /// Checks all clients that lagged, and charges the time waited in vain to the `debt` of the
    /// room. Returns `true` if a client that the room waits for still lags.
    pub fn check(&mut self, now: Instant, patience: &Patience, debt: &WaitDebt, metrics: &Metrics) -> bool {
        if self.lagging.is_empty() {
            return false;
        }
        let (mut waits, mut all, is_exhausted) = (false, Waited::default(), debt.is_exhausted());
        self.lagging.retain(|_, (connection, account)| {
            let Some(connection) = connection.upgrade() else { return false };
            let (before, lags) = (account.is_waited_for(is_exhausted), connection.has_backlog());
            let waited = account.check(lags, connection.accepted(), now, patience);
            if before {
                all.in_vain = all.in_vain.max(waited.in_vain);
                all.repaid = all.repaid.max(waited.repaid);
            }
            if before && account.exhausted {
                metrics.patience_exhausted.inc();
            }
            waits |= lags && account.is_waited_for(is_exhausted);
            !account.is_settled(now, patience)
        });
        if debt.charge(all.in_vain, all.repaid, patience.allowance, Instant::now()) {
            metrics.room_patience_exhausted.inc();
        }
        waits
    }

    /// Forgets a client that has left.
    pub fn forget(&mut self, session: ConnectionId) {
        self.lagging.remove(&session);
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

/// The time for which a room has waited for one client in vain.
struct Account {
    /// Time waited, minus the time that half of the promised rate needs for the bytes read since.
    waited: Duration,
    /// Bytes that the kernel had accepted at the last check.
    accepted: u64,
    /// The time that half of the promised rate needs for the bytes read beyond that.
    ahead: Duration,
    /// The time of the last check.
    checked: Instant,
    /// The client lagged at the last check.
    lagged: bool,
    /// The account is used up.
    exhausted: bool,
    /// The first check since which the client has not lagged.
    clear_since: Option<Instant>,
}

/// The changes of one check.
#[derive(Clone, Copy, Debug, Default)]
struct Waited {
    /// Time waited for a client that had read too little before.
    in_vain: Duration,
    /// The part of earlier waits that the client has made up for.
    repaid: Duration,
}

impl Account {
    /// The account of a client that lags since `now`.
    fn new(accepted: u64, now: Instant) -> Self {
        let (waited, ahead) = (Duration::ZERO, Duration::ZERO);
        Self { waited, ahead, accepted, checked: now, lagged: true, exhausted: false, clear_since: None }
    }

    /// Returns `true` if the room waits for the client. An exhausted room waits only for clients
    /// that are ahead of half of the promised rate.
    fn is_waited_for(&self, room_is_exhausted: bool) -> bool {
        !self.exhausted && (!room_is_exhausted || !self.ahead.is_zero())
    }

    /// Records whether the client lags at `now`, and the total of bytes that the kernel has
    /// accepted. The time of a late check counts as one interval, doubled at most: the client did
    /// not cause the delay.
    fn check(&mut self, lags: bool, accepted: u64, now: Instant, patience: &Patience) -> Waited {
        let mut time = Duration::ZERO;
        if lags && self.lagged {
            time = now.saturating_duration_since(self.checked).min(2 * CATCH_UP_INTERVAL);
        }
        let in_vain = time.saturating_sub(self.ahead);
        self.ahead = self.ahead.saturating_sub(time);
        self.waited += in_vain;
        let worth = patience.worth(accepted.saturating_sub(self.accepted));
        let repaid = worth.min(self.waited);
        self.waited -= repaid;
        self.ahead = (self.ahead + (worth - repaid)).min(patience.most_ahead);
        self.exhausted |= self.waited >= patience.allowance;
        self.clear_since = if lags { None } else { self.clear_since.or(Some(now)) };
        (self.accepted, self.checked, self.lagged) = (accepted, now, lags);
        Waited { in_vain, repaid }
    }

    /// Returns `true` if the account can be dropped: the client does not lag and owes nothing, or
    /// has not lagged for the length of an account. A client far ahead is remembered for twice that
    /// time, since later clients may exhaust the room in the meantime.
    fn is_settled(&self, now: Instant, patience: &Patience) -> bool {
        let (owes, is_far_ahead) =
            (self.exhausted || !self.waited.is_zero(), self.ahead >= patience.most_ahead);
        let kept = match (owes, is_far_ahead) {
            (true, _) => patience.allowance,
            (false, true) => 2 * patience.allowance,
            (false, false) => Duration::ZERO,
        };
        self.clear_since.is_some_and(|since| now.saturating_duration_since(since) >= kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the time after which a room stops to wait for a client that reads at `rate` times
    /// the promised rate; `None` if it still waits after a minute. The client lags all the time,
    /// and the kernel accepts nothing until `burst` bytes fit.
    fn waits_for(rate: f64, burst: f64) -> Option<Duration> {
        let patience = Patience::of(&Policy::default());
        let (begin, mut account) = (Instant::now(), Account::new(0, Instant::now()));
        let bytes_per_tick = rate * patience.eighth / patience.limit.div_duration_f64(CATCH_UP_INTERVAL);
        let (mut arrived, mut accepted) = (0.0, 0.0);
        for tick in 1..30_000 {
            arrived += bytes_per_tick;
            let now = begin + CATCH_UP_INTERVAL * tick;
            let fits = arrived - accepted >= burst;
            accepted = if fits { arrived } else { accepted };
            account.check(!fits, accepted as u64, now, &patience);
            if !account.is_waited_for(false) {
                return Some(now - begin);
            }
        }
        None
    }

    #[test]
    fn a_room_waits_for_a_client_at_the_promised_rate_for_as_long_as_it_lags() {
        for rate in [1.0, 1.5] {
            for burst in [0.0, 1e3, 43e3, 128e3] {
                assert_eq!(waits_for(rate, burst), None, "{rate} {burst}");
            }
        }
    }

    #[test]
    fn a_room_does_not_wait_for_ever_for_a_client_below_half_of_the_promised_rate() {
        for rate in [0.0, 0.05, 0.4] {
            let patience = Patience::of(&Policy::default());
            let stopped = waits_for(rate, 43e3).expect("it stops");
            assert!(stopped >= patience.allowance, "{rate}: {stopped:?}");
            assert!(stopped < patience.allowance * 8, "{rate}: {stopped:?}");
        }
    }

    #[test]
    fn a_client_that_was_given_up_is_waited_for_again_when_it_has_kept_up_for_a_while() {
        let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
        let mut account = Account::new(0, begin);
        let mut now = begin;
        while account.is_waited_for(false) {
            now += CATCH_UP_INTERVAL;
            account.check(true, 0, now, &patience);
        }
        let clear = now + CATCH_UP_INTERVAL;
        account.check(false, 1 << 30, clear, &patience);
        assert!(!account.is_waited_for(false), "it remembers, however much the client takes at once");
        let almost = clear + patience.allowance - CATCH_UP_INTERVAL;
        account.check(false, 1 << 30, almost, &patience);
        assert!(!account.is_settled(almost, &patience));
        account.check(true, 1 << 30, almost, &patience);
        assert!(!account.is_settled(clear + patience.allowance, &patience), "it lagged again");
        account.check(false, 1 << 30, almost, &patience);
        assert!(account.is_settled(almost + patience.allowance, &patience));
    }

    #[test]
    fn a_relay_that_was_held_up_charges_no_client_for_it() {
        let (patience, begin) = (Patience::of(&Policy::default()), Instant::now());
        let mut account = Account::new(0, begin);
        account.check(true, 0, begin + 10 * patience.allowance, &patience);
        assert!(account.is_waited_for(false));
    }
}
