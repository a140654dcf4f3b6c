//! The outage between a lost connection and the next stable one: growing pauses, and the end of
//! patience.

use std::time::Duration;
use tokio::time::Instant;

/// The shortest and the longest pause before an attempt. Each pause is randomly shortened, by up to
/// half.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// The state of reconnecting to a server.
pub struct Outage {
    /// The time at which the server was last reached.
    since: Instant,
    /// The longest pause before the next attempt.
    pause: Duration,
    /// True once the outage was reported to the user.
    pub is_reported: bool,
}

/// The properties of a connection that was lost; all false for an attempt that failed.
#[derive(Clone, Copy, Default)]
pub struct Achievement {
    /// The connection lasted so long that its loss is a new outage.
    pub steady: bool,
    /// The connection delivered messages, or lasted for a while.
    pub useful: bool,
    /// The server closed the connection with a close frame.
    pub closed: bool,
}

impl Outage {
    /// Begins an outage, whose first attempt has no pause.
    pub fn new() -> Self {
        Self { since: Instant::now(), pause: Duration::ZERO, is_reported: false }
    }

    /// Sets the pause before the next attempt: twice the last one, or the shortest one if the
    /// connection was steady, or was useful and not closed by the server.
    pub fn goes_on(&mut self, Achievement { steady, useful, closed }: Achievement) {
        if steady || useful {
            self.since = Instant::now();
            self.is_reported = false;
        }
        let begins_anew = steady || (useful && !closed);
        self.pause = match begins_anew {
            true => PAUSES.0,
            false => (self.pause * 2).clamp(PAUSES.0, PAUSES.1),
        };
    }

    /// Returns the pause before the next attempt. It is random, so that clients do not reconnect
    /// all at once.
    pub fn pause(&self) -> Duration {
        self.pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Returns the time that is left of `patience`; zero if it is over.
    pub fn rest_of(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.since.elapsed())
    }
}
