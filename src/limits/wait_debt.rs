//! Bounds the time that a room waits for slow clients, also for clients that have left.
//!
//! At the bound the room waits only for clients that read fast enough. Key: `rooms.patience`.
//! Metric: `worldcast_room_patience_exhausted_total`.

use std::{
    sync::{Mutex, PoisonError},
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
    debt: Duration,
    /// The time at which `debt` was right.
    updated: Option<Instant>,
    /// The end of the last wait that was added.
    waited_until: Option<Instant>,
    is_exhausted: bool,
}

impl WaitDebt {
    /// The debt decreases by this part of the time: all clients together delay a room for a fifth
    /// of the time at most.
    const RECOVERY: u32 = 5;

    /// Adds the last `waited` before `now`, without a part that another relay has added for the
    /// same time, and subtracts `repaid` and the recovery; returns `true` if the debt reaches
    /// `allowance` now.
    pub fn charge(&self, waited: Duration, repaid: Duration, allowance: Duration, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |moment: Option<Instant>| moment.map(|moment| now.saturating_duration_since(moment));
        let recovered = since(state.updated).unwrap_or_default() / Self::RECOVERY;
        let waited = since(state.waited_until).map_or(waited, |elapsed| waited.min(elapsed));
        state.debt = (state.debt + waited).saturating_sub(repaid.saturating_add(recovered)).min(allowance);
        state.updated = state.updated.max(Some(now));
        if !waited.is_zero() {
            state.waited_until = Some(now);
        }
        let was_exhausted = state.is_exhausted;
        state.is_exhausted = state.debt >= if was_exhausted { allowance / 2 } else { allowance };
        state.is_exhausted && !was_exhausted
    }

    /// Returns `true` from the moment at which the allowance is used up until half of it is free
    /// again.
    pub fn is_exhausted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Duration = Duration::from_millis(900);
    const TICK: Duration = Duration::from_millis(2);

    /// Returns the part of a minute for which a room waits, where each of `relays` always has slow
    /// clients.
    fn part_waited(relays: u32) -> f64 {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        let mut waited = Duration::ZERO;
        for tick in 1..30_000 {
            let waits = if debt.is_exhausted() { Duration::ZERO } else { TICK };
            waited += waits;
            for _ in 0..relays {
                debt.charge(waits, Duration::ZERO, ALLOWANCE, begin + TICK * tick);
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
    fn what_is_made_up_for_is_forgotten() {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        for tick in 1..10_000 {
            let repaid = if tick % 50 == 0 { TICK * 50 } else { Duration::ZERO };
            assert!(!debt.charge(TICK, repaid, ALLOWANCE, begin + TICK * tick), "tick {tick}");
        }
    }

    #[test]
    fn patience_comes_back_with_time() {
        let (debt, now) = (WaitDebt::default(), Instant::now());
        assert!(debt.charge(ALLOWANCE, Duration::ZERO, ALLOWANCE, now), "it is used up");
        assert!(debt.is_exhausted());
        debt.charge(Duration::ZERO, Duration::ZERO, ALLOWANCE, now + 2 * ALLOWANCE);
        assert!(debt.is_exhausted());
        debt.charge(Duration::ZERO, Duration::ZERO, ALLOWANCE, now + 3 * ALLOWANCE);
        assert!(!debt.is_exhausted());
    }
}
