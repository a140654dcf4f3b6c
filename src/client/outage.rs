//! The time between a lost connection and one that holds: pauses that grow, and an end to patience.

use std::time::Duration;
use tokio::time::Instant;

/// The shortest and the longest pause before an attempt; each is up to half of it shorter, by chance.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

pub struct Outage {
    /// When the server was last reached.
    since: Instant,
    /// Before the next attempt, at most.
    pause: Duration,
    /// True once people have been told about it.
    pub told: bool,
}

/// The merits of a connection that was lost.
#[derive(Clone, Copy, Default)]
pub struct Achievement {
    /// It held for so long that its loss is a new one.
    pub steady: bool,
    /// It brought messages, or held for a while.
    pub useful: bool,
    /// The server itself closed it.
    pub closed: bool,
}

impl Outage {
    /// The first attempt comes at once.
    pub fn new() -> Self {
        Self { since: Instant::now(), pause: Duration::ZERO, told: false }
    }

    /// The next attempt comes later than the last one did, whatever the reason, unless there was a connection in between
    /// that was worth it.
    pub fn goes_on(&mut self, Achievement { steady, useful, closed }: Achievement) {
        if steady || useful {
            self.since = Instant::now();
            self.told = false;
        }
        let begins_anew = steady || (useful && !closed);
        self.pause = match begins_anew {
            true => PAUSES.0,
            false => (self.pause * 2).clamp(PAUSES.0, PAUSES.1),
        };
    }

    /// The pause before the next attempt, left to chance: not all clients come at once.
    pub fn pause(&self) -> Duration {
        self.pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The rest of so much patience.
    pub fn rest_of(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }
}
