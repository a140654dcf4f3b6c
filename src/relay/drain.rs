//! The schedule by which sessions are closed while the server drains: at random moments, so that
//! the clients do not reconnect all at once.

use crate::{clock, ids::ConnectionId};
use std::time::{Duration, Instant};

/// The deadline of each session, within the time of the drain.
pub struct DrainSchedule {
    /// The end of the drain; no deadline is later.
    until: Instant,
    /// The latest first, so that due sessions are at the end.
    deadlines: Vec<(Instant, ConnectionId)>,
}

impl DrainSchedule {
    /// Assigns each of `sessions` a random moment within `over` from `now`.
    pub fn spread(sessions: Vec<ConnectionId>, over: Duration, now: Instant) -> Self {
        let until = now + over;
        let mut deadlines: Vec<_> =
            sessions.into_iter().map(|session| (moment(now, until), session)).collect();
        deadlines.sort_unstable_by(|a, b| b.cmp(a));
        Self { until, deadlines }
    }

    /// Adds a session that was admitted during the drain.
    pub fn add(&mut self, session: ConnectionId) {
        let deadline = (moment(clock::now(), self.until), session);
        let at = self.deadlines.partition_point(|other| *other > deadline);
        self.deadlines.insert(at, deadline);
    }

    /// Removes the sessions whose moment has come, and returns them in order.
    pub fn due(&mut self, now: Instant) -> Vec<ConnectionId> {
        let first_due = self.deadlines.partition_point(|(moment, _)| *moment > now);
        self.deadlines.split_off(first_due).into_iter().rev().map(|(_, session)| session).collect()
    }
}

fn moment(from: Instant, until: Instant) -> Instant {
    from + until.saturating_duration_since(from).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_closes_once_spread_over_the_time() {
        let now = clock::now();
        let sessions: Vec<_> = (0..1000).map(|_| ConnectionId::next()).collect();
        let mut drain_schedule = DrainSchedule::spread(sessions.clone(), Duration::from_secs(10), now);
        let mut departed = Vec::new();
        for second in 1..=10 {
            let due = drain_schedule.due(now + Duration::from_secs(second));
            assert!((40..200).contains(&due.len()), "second {second}: {} of 1000", due.len());
            departed.extend(due);
        }
        departed.sort_unstable();
        assert_eq!(departed, sessions);
    }

    #[test]
    fn without_time_all_sessions_close_at_once() {
        let now = clock::now();
        let mut drain_schedule = DrainSchedule::spread(vec![ConnectionId::next()], Duration::ZERO, now);
        drain_schedule.add(ConnectionId::next());
        assert_eq!(drain_schedule.due(clock::now()).len(), 2);
    }
}
