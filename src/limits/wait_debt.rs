//! Bounds the time that a room waits for slow clients, also for clients that have left.
//!
//! At the bound the room waits only for clients that read fast enough. Key: `rooms.patience`.
//! Metric: `worldcast_room_patience_exhausted_total`.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The time for which publishers of a room have waited for clients that read too slowly, all of
/// them together.
///
/// The relays of all threads share it, and it lasts as long as the room: clients that reconnect,
/// and clients that take turns, use up the same patience. It decreases with time, and with bytes
/// that clients read to catch up.
#[derive(Debug, Default)]
pub struct WaitDebt(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The time that the room has waited in vain, and that is not made up for.
    debt: Duration,
    /// The time at which `debt` was right.
    updated: Option<Instant>,
    /// The end of the last wait that was added.
    waited_until: Option<Instant>,
    /// The time at which the debt reached its bound, until half of it is free again.
    exhausted_at: Option<Instant>,
}

/// The clients for which a room waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All clients.
    Open,
    /// Clients that are fast enough, and those that begin to lag now: a room that no longer waits
    /// for slow clients becomes faster, and others lag for the first time.
    Trial,
    /// Clients that are fast enough.
    Exhausted,
}

/// The outcome of a charge.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// The time that was added to the debt.
    pub added: Duration,
    /// The debt reaches its bound by this charge.
    pub exhausts: bool,
}

impl WaitDebt {
    /// The debt decreases by this part of the time: all clients together delay a room for a fifth
    /// of the time at most.
    const RECOVERY: u32 = 5;

    /// Adds the last `waited` before `now`, without a part that was added for another client for
    /// the same time, up to `allowance`.
    pub fn charge(&self, waited: Duration, allowance: Duration, now: Instant) -> Charge {
        let mut state = self.lock();
        state.recover(now);
        let since = state.waited_until.map(|moment| now.saturating_duration_since(moment));
        let waited = since.map_or(waited, |elapsed| waited.min(elapsed));
        let added = waited.min(allowance.saturating_sub(state.debt));
        state.debt += added;
        state.waited_until = state.waited_until.max(Some(now));
        Charge { added, exhausts: state.judge(allowance, now) }
    }

    /// Subtracts `time` that was added for a client which has made up for it since.
    pub fn refund(&self, time: Duration) {
        if !time.is_zero() {
            let mut state = self.lock();
            state.debt = state.debt.saturating_sub(time);
        }
    }

    /// Subtracts the recovery up to `now`.
    pub fn recover(&self, now: Instant, allowance: Duration) {
        let mut state = self.lock();
        state.recover(now);
        state.judge(allowance, now);
    }

    /// Returns for whom the room waits at `now`. A trial lasts for `trial` after the debt has
    /// reached its bound; afterwards the room is exhausted until half of the bound is free again.
    pub fn standing(&self, trial: Duration, now: Instant) -> Standing {
        match self.lock().exhausted_at {
            None => Standing::Open,
            Some(since) if now.saturating_duration_since(since) < trial => Standing::Trial,
            Some(_) => Standing::Exhausted,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn recover(&mut self, now: Instant) {
        let elapsed = self.updated.map(|updated| now.saturating_duration_since(updated));
        self.debt = self.debt.saturating_sub(elapsed.unwrap_or_default() / WaitDebt::RECOVERY);
        self.updated = self.updated.max(Some(now));
    }

    /// Decides whether the debt is exhausted; returns `true` if that begins now.
    fn judge(&mut self, allowance: Duration, now: Instant) -> bool {
        let bound = if self.exhausted_at.is_some() { allowance / 2 } else { allowance };
        let before = self.exhausted_at;
        self.exhausted_at = (self.debt >= bound).then(|| before.unwrap_or(now));
        self.exhausted_at.is_some() && before.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Duration = Duration::from_millis(900);
    const TICK: Duration = Duration::from_millis(2);

    fn standing(debt: &WaitDebt, now: Instant) -> Standing {
        debt.standing(Duration::ZERO, now)
    }

    /// Returns the part of a minute for which a room waits, where each of `relays` always has slow
    /// clients.
    fn part_waited(relays: u32) -> f64 {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        let mut waited = Duration::ZERO;
        for tick in 1..30_000 {
            let waits =
                if standing(&debt, begin + TICK * tick) == Standing::Open { TICK } else { Duration::ZERO };
            waited += waits;
            for _ in 0..relays {
                debt.charge(waits, ALLOWANCE, begin + TICK * tick);
            }
        }
        waited.div_duration_f64(TICK * 30_000)
    }

    #[test]
    fn clients_that_take_turns_for_ever_hold_up_a_fifth_of_the_time_on_however_many_threads() {
        for relays in [1, 2, 7] {
            let part = part_waited(relays);
            assert!((0.15..0.25).contains(&part), "{relays} relays: {part}");
        }
    }

    #[test]
    fn a_debt_that_is_repaid_is_forgotten() {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        let mut added = Duration::ZERO;
        for tick in 1..10_000 {
            let charge = debt.charge(TICK, ALLOWANCE, begin + TICK * tick);
            assert!(!charge.exhausts, "tick {tick}");
            added += charge.added;
            if tick % 50 == 0 {
                debt.refund(std::mem::take(&mut added));
            }
        }
    }

    #[test]
    fn patience_comes_back_with_time() {
        let (debt, now) = (WaitDebt::default(), Instant::now());
        assert!(debt.charge(ALLOWANCE, ALLOWANCE, now).exhausts, "it is used up");
        assert_eq!(standing(&debt, now), Standing::Exhausted);
        debt.recover(now + 2 * ALLOWANCE, ALLOWANCE);
        assert_eq!(standing(&debt, now), Standing::Exhausted);
        debt.recover(now + 3 * ALLOWANCE, ALLOWANCE);
        assert_eq!(standing(&debt, now), Standing::Open);
    }
}
