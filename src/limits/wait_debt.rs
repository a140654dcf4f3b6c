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
    /// The waits that were added.
    waits: Waits,
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

    /// Adds a wait of this length that ended at `until`, without the parts of that time that were
    /// added for other clients, up to `allowance`.
    pub fn charge(&self, waited: Duration, until: Instant, allowance: Duration, now: Instant) -> Charge {
        let mut state = self.lock();
        state.recover(now);
        let waited = state.waits.add(waited, until, allowance);
        let added = waited.min(allowance.saturating_sub(state.debt));
        state.debt += added;
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

/// The times for which a room has waited lately, in order and apart from each other.
#[derive(Debug, Default)]
struct Waits(Vec<Wait>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    until: Instant,
}

impl Waits {
    /// More are merged, the oldest first, as if the room had waited between them too.
    const MAX: usize = 64;

    /// Adds a wait of this length that ended at `until`; returns the part that no other wait
    /// covers. Waits that ended `longest` before it are dropped: no later one reaches so far back.
    fn add(&mut self, waited: Duration, until: Instant, longest: Duration) -> Duration {
        let mut added = Wait { since: until.checked_sub(waited).unwrap_or(until), until };
        self.0.retain(|wait| until.saturating_duration_since(wait.until) <= longest);
        let first = self.0.partition_point(|wait| wait.until < added.since);
        let end = self.0.partition_point(|wait| wait.since <= until);
        let overlap = |wait: &Wait| wait.until.min(until).duration_since(wait.since.max(added.since));
        let covered = self.0[first..end].iter().map(overlap).sum();
        for wait in self.0.drain(first..end) {
            added = Wait { since: added.since.min(wait.since), until: added.until.max(wait.until) };
        }
        self.0.insert(first, added);
        if self.0.len() > Self::MAX {
            self.0[0].until = self.0.remove(1).until;
        }
        self.0.shrink_to(2 * self.0.len());
        waited.saturating_sub(covered)
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
                let now = begin + TICK * tick;
                debt.charge(waits, now, ALLOWANCE, now);
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
            let now = begin + TICK * tick;
            let charge = debt.charge(TICK, now, ALLOWANCE, now);
            assert!(!charge.exhausts, "tick {tick}");
            added += charge.added;
            if tick % 50 == 0 {
                debt.refund(std::mem::take(&mut added));
            }
        }
    }

    #[test]
    fn a_long_wait_is_charged_whole_after_shorter_ones_in_the_same_time() {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        let charge = |waited: u32, until: u32| {
            let (waited, until) = (TICK * waited, begin + TICK * until);
            debt.charge(waited, until, ALLOWANCE, until).added
        };
        assert_eq!(charge(1, 20), TICK);
        assert_eq!(charge(2, 40), 2 * TICK);
        assert_eq!(charge(50, 50), 47 * TICK, "the rest of that time");
        assert_eq!(charge(45, 55), 5 * TICK, "the time since");
        assert_eq!(charge(20, 45), Duration::ZERO);
    }

    #[test]
    fn a_wait_that_is_charged_late_is_that_of_its_own_time() {
        let (debt, begin) = (WaitDebt::default(), Instant::now());
        let charge = |until| debt.charge(TICK, begin + TICK * until, ALLOWANCE, begin + TICK * 100).added;
        assert_eq!([90, 80, 90, 80].map(charge), [TICK, TICK, Duration::ZERO, Duration::ZERO]);
    }

    #[test]
    fn a_room_remembers_a_bounded_number_of_waits() {
        let (mut waits, begin) = (Waits::default(), Instant::now());
        for number in 1..1000 {
            assert_eq!(waits.add(TICK, begin + 2 * TICK * number, ALLOWANCE * 10), TICK);
            assert!(waits.0.len() <= Waits::MAX);
        }
        let end = begin + 2000 * TICK;
        assert!(waits.add(100 * TICK, end, ALLOWANCE * 10) > 30 * TICK, "the latest are kept apart");
        waits.add(TICK, end + ALLOWANCE * 20, ALLOWANCE);
        assert_eq!(waits.0.len(), 1, "old ones are dropped");
        assert!(waits.0.capacity() <= 4, "{}", waits.0.capacity());
    }

    #[test]
    fn patience_comes_back_with_time() {
        let (debt, now) = (WaitDebt::default(), Instant::now());
        assert!(debt.charge(ALLOWANCE, now, ALLOWANCE, now).exhausts, "it is used up");
        assert_eq!(standing(&debt, now), Standing::Exhausted);
        debt.recover(now + 2 * ALLOWANCE, ALLOWANCE);
        assert_eq!(standing(&debt, now), Standing::Exhausted);
        debt.recover(now + 3 * ALLOWANCE, ALLOWANCE);
        assert_eq!(standing(&debt, now), Standing::Open);
    }
}
