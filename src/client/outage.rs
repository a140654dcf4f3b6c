//! The outage between a lost connection and the next stable one: growing pauses, and the end of
//! patience.

use std::time::Duration;
use tokio::time::Instant;

/// The shortest and the longest pause before an attempt. Each pause is randomly shortened, by up to
/// half.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// The shortest life of a connection, up to the last sign of life of the server, whose loss begins
/// a new outage.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// The state of reconnecting to a server.
pub struct Outage {
    /// The beginning of the time that counts against patience.
    since: Instant,
    /// The longest pause before the next attempt.
    pause: Duration,
    /// True before the first attempt of the outage.
    pub is_new: bool,
    /// True once the outage was reported to the user.
    pub is_reported: bool,
    /// The reason why the last connection or attempt ended.
    pub reason: String,
}

/// The properties of a connection that was lost; all zero for an attempt that failed.
#[derive(Clone, Copy, Default)]
pub struct Achievement {
    /// The time from the welcome to the last sign of life of the server.
    pub alive: Duration,
    /// The connection delivered a message that no earlier one had delivered.
    pub useful: bool,
    /// The server closed the connection with a close frame.
    pub closed: bool,
}

impl Outage {
    /// Begins an outage, whose first attempt has no pause.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            pause: Duration::ZERO,
            is_new: true,
            is_reported: false,
            reason: "no answer".to_owned(),
        }
    }

    /// Notes the end of an attempt or a connection, and sets the pause before the next attempt:
    /// twice the last one, or the shortest one if the connection was steady, or was useful and not
    /// closed by the server. Patience begins anew after a connection that was steady or useful; for
    /// another one, the time in which the server was alive does not count.
    pub fn goes_on(&mut self, Achievement { alive, useful, closed }: Achievement, reason: String) {
        self.reason = reason;
        let steady = alive >= STEADY_AFTER;
        if steady || useful {
            self.since = Instant::now();
            (self.is_new, self.is_reported) = (true, false);
        } else {
            self.since += alive;
        }
        self.pause = match steady || (useful && !closed) {
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
