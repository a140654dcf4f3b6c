//! Who is sent away when, while the server drains: at random over the time there is, so that those
//! who come back do not come back at once.

use crate::{clock, ids::ConnectionId};
use std::time::{Duration, Instant};

pub struct DrainSchedule {
    until: Instant,
    /// The last to go first.
    deadlines: Vec<(Instant, ConnectionId)>,
}

impl DrainSchedule {
    /// Gives each of `sessions` a moment within `over` from `now`.
    pub fn spread(sessions: Vec<ConnectionId>, over: Duration, now: Instant) -> Self {
        let until = now + over;
        let mut deadlines: Vec<_> =
            sessions.into_iter().map(|session| (moment(now, until), session)).collect();
        deadlines.sort_unstable_by(|a, b| b.cmp(a));
        Self { until, deadlines }
    }

    /// One more that came in late.
    pub fn add(&mut self, session: ConnectionId) {
        let deadline = (moment(clock::now(), self.until), session);
        let at = self.deadlines.partition_point(|other| *other > deadline);
        self.deadlines.insert(at, deadline);
    }

    /// Takes out those whose time has come.
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
    fn everybody_departs_once_spread_over_the_time_there_is() {
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
    fn without_time_everybody_departs_at_once() {
        let now = clock::now();
        let mut drain_schedule = DrainSchedule::spread(vec![ConnectionId::next()], Duration::ZERO, now);
        drain_schedule.add(ConnectionId::next());
        assert_eq!(drain_schedule.due(clock::now()).len(), 2);
    }
}
