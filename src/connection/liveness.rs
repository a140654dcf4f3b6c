//! The liveness of one connection: its signs of life, and the deadlines that count from them. All
//! times are of the thread's [`clock`].

use super::Phase;
use crate::{clock, protocol::CloseReason};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The deadlines of every connection; at a deadline it has passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deadlines {
    /// The silence after which a client is pinged.
    pub ping_after: Duration,
    /// The silence after the ping that closes the session.
    pub pong_within: Duration,
    /// The longest time without progress of a write; after it the connection is reset.
    pub stalled_write: Duration,
    /// The longest time of the closing handshake; after it the connection is reset.
    pub close_within: Duration,
}

impl Deadlines {
    /// Returns the interval in which the deadlines are checked: a quarter of the shortest one, but
    /// from 5 ms to 1 s.
    pub fn sweep_interval(&self) -> Duration {
        let deadlines = [self.ping_after, self.pong_within, self.stalled_write, self.close_within];
        let shortest = deadlines.into_iter().min().unwrap_or_default();
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

/// Times of the last read, write and pause, for the deadlines of one connection.
pub struct Liveness {
    /// The time of the last byte received, or of the ping that followed it.
    silent_since: Cell<Instant>,
    /// A ping was sent after the last byte received.
    pinged: Cell<bool>,
    /// The reason and the beginning of a pause in reading.
    paused: Cell<Option<(Pause, Instant)>>,
    /// The last progress of a write, or the moment at which the outbox became non-empty.
    last_written: Cell<Instant>,
}

/// The reason why a socket is not read; during a pause the client's silence does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    /// `limits.in_flight_bytes` of the whole server are used up.
    Server,
    /// The credit of the client's room is used up.
    Room,
    /// The client exceeds its rate limit.
    Pace,
    /// The client is not admitted to its room yet.
    Admission,
}

impl Pause {
    /// Returns the value of the label `reason` in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Room => "room",
            Self::Pace => "pace",
            Self::Admission => "admission",
        }
    }
}

/// The action that a check of deadlines asks for.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// No deadline has passed.
    None,
    /// The client is silent: send a ping.
    Ping,
    /// Send a close frame.
    Close(CloseReason),
    /// Reset the connection.
    Abort(CloseReason),
}

impl Liveness {
    /// The liveness of a connection that was opened at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            silent_since: Cell::new(now),
            pinged: Cell::new(false),
            paused: Cell::new(None),
            last_written: Cell::new(now),
        }
    }

    /// Notes that bytes were received.
    pub fn received(&self) {
        self.silent_since.set(clock::now());
        self.pinged.set(false);
    }

    /// Notes a progress of a write, or that writes begin to be waited for.
    pub fn written(&self) {
        self.last_written.set(clock::now());
    }

    /// Begins a pause in reading; returns `true` if the client was not paused for this reason
    /// before.
    pub fn pause(&self, pause: Pause) -> bool {
        let news = self.paused.get().is_none_or(|(before, _)| before != pause);
        if news {
            self.paused.set(Some((pause, clock::now())));
        }
        news
    }

    /// Returns `true` during a pause.
    pub fn is_paused(&self) -> bool {
        self.paused.get().is_some()
    }

    /// Ends a pause. The server caused it, so the client's silence counts from its end.
    pub fn resumed(&self) {
        if self.paused.take().is_some() {
            self.received();
        }
    }

    /// Notes that a ping was sent at `now`, from which `session.pong_within` counts.
    pub fn pinged(&self, now: Instant) {
        self.silent_since.set(now);
        self.pinged.set(true);
    }

    /// Checks at `now` the deadline of a newcomer that waits for its history, and has waited since
    /// [`Liveness::written`]: `session.stalled_write`. The server causes this wait, so the client's
    /// silence does not count.
    pub fn judge_wait(&self, now: Instant, limits: &Deadlines) -> Action {
        match now.saturating_duration_since(self.last_written.get()) >= limits.stalled_write {
            true => Action::Close(CloseReason::Overloaded),
            false => Action::None,
        }
    }

    /// Checks all deadlines at `now`; `waiting` is `true` while bytes wait in the outbox.
    pub fn judge(&self, now: Instant, phase: Phase, waiting: bool, limits: &Deadlines) -> Action {
        let since = |then: Instant| now.saturating_duration_since(then);
        match phase {
            Phase::Gone => return Action::None,
            Phase::Closing { since: then } if since(then) >= limits.close_within => {
                return Action::Abort(CloseReason::ConnectionLost);
            }
            Phase::Closing { .. } => return Action::None,
            Phase::Open | Phase::Finishing => {}
        }
        if waiting && since(self.last_written.get()) >= limits.stalled_write {
            return Action::Abort(CloseReason::WriteStalled);
        }
        match self.paused.get() {
            Some((Pause::Server, then)) if since(then) >= limits.stalled_write => {
                return Action::Close(CloseReason::Overloaded);
            }
            Some(_) => return Action::None,
            None => {}
        }
        let silence = since(self.silent_since.get());
        match self.pinged.get() {
            false if silence >= limits.ping_after => Action::Ping,
            // The ping may wait behind the backlog, which the peer does read.
            true if waiting => Action::None,
            true if silence.min(since(self.last_written.get())) >= limits.pong_within => {
                Action::Close(CloseReason::Silent)
            }
            _ => Action::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        ping_after: Duration::from_secs(25),
        pong_within: Duration::from_secs(10),
        stalled_write: Duration::from_secs(10),
        close_within: Duration::from_secs(5),
    };

    fn judge(liveness: &Liveness, after: Duration, phase: Phase, waiting: bool) -> Action {
        let now = liveness.silent_since.get().max(liveness.last_written.get()) + after;
        liveness.judge(now, phase, waiting, &DEADLINES)
    }

    #[test]
    fn silence_is_pinged_once_and_then_ends_the_session() {
        let liveness = Liveness::new(Instant::now());
        let open =
            |liveness: &Liveness, seconds| judge(liveness, Duration::from_secs(seconds), Phase::Open, false);
        assert_eq!(open(&liveness, 24), Action::None);
        assert_eq!(open(&liveness, 25), Action::Ping);
        liveness.pinged(liveness.silent_since.get() + Duration::from_secs(25));
        assert_eq!(open(&liveness, 9), Action::None);
        assert_eq!(open(&liveness, 10), Action::Close(CloseReason::Silent));
        liveness.received();
        assert_eq!(open(&liveness, 25), Action::Ping, "any byte is life");
    }

    #[test]
    fn a_client_is_asked_before_it_is_silent_however_late_that_is() {
        let liveness = Liveness::new(Instant::now());
        let hour = Duration::from_secs(3600);
        assert_eq!(judge(&liveness, hour, Phase::Open, false), Action::Ping);
        liveness.pinged(liveness.silent_since.get() + hour);
        assert_eq!(judge(&liveness, Duration::from_secs(9), Phase::Open, false), Action::None);
        assert_eq!(
            judge(&liveness, Duration::from_secs(10), Phase::Open, false),
            Action::Close(CloseReason::Silent)
        );
    }

    #[test]
    fn a_ping_that_waits_behind_a_backlog_is_not_unanswered() {
        let start = Instant::now();
        let (liveness, at) = (Liveness::new(start), |seconds| start + Duration::from_secs(seconds));
        let judge = |seconds, waiting| liveness.judge(at(seconds), Phase::Open, waiting, &DEADLINES);
        liveness.pinged(at(25));
        for seconds in 25..60 {
            liveness.last_written.set(at(seconds)); // the client reads, slowly
            assert_eq!(judge(seconds, true), Action::None);
        }
        assert_eq!(judge(68, false), Action::None);
        assert_eq!(judge(69, false), Action::Close(CloseReason::Silent), "10 s after the last of it left");
    }

    #[test]
    fn a_client_that_waits_for_us_is_not_silent_but_does_not_wait_for_ever() {
        let liveness = Liveness::new(Instant::now());
        assert!(liveness.pause(Pause::Server));
        assert!(!liveness.pause(Pause::Server), "a pause begins once");
        let limits = Deadlines { stalled_write: Duration::from_secs(60), ..DEADLINES };
        let judge = |seconds| {
            liveness.judge(Instant::now() + Duration::from_secs(seconds), Phase::Open, false, &limits)
        };
        assert_eq!(judge(59), Action::None);
        assert_eq!(judge(60), Action::Close(CloseReason::Overloaded));
    }

    #[test]
    fn a_client_that_is_slowed_down_is_not_silent() {
        let liveness = Liveness::new(Instant::now());
        liveness.pause(Pause::Pace);
        assert_eq!(judge(&liveness, Duration::from_secs(3600), Phase::Open, false), Action::None);
        liveness.resumed();
        assert_eq!(judge(&liveness, Duration::from_secs(25), Phase::Open, false), Action::Ping);
    }

    #[test]
    fn a_write_without_progress_cuts_the_connection() {
        let liveness = Liveness::new(Instant::now());
        assert_eq!(judge(&liveness, Duration::from_secs(9), Phase::Open, true), Action::None);
        assert_eq!(
            judge(&liveness, Duration::from_secs(10), Phase::Finishing, true),
            Action::Abort(CloseReason::WriteStalled)
        );
    }

    #[test]
    fn a_newcomer_does_not_wait_for_its_history_for_ever() {
        let liveness = Liveness::new(Instant::now());
        let judge = |seconds| {
            let now = liveness.last_written.get() + Duration::from_secs(seconds);
            liveness.judge_wait(now, &DEADLINES)
        };
        assert_eq!(judge(9), Action::None);
        assert_eq!(judge(10), Action::Close(CloseReason::Overloaded));
    }

    #[test]
    fn a_closing_handshake_has_a_deadline() {
        let liveness = Liveness::new(Instant::now());
        let closing = Phase::Closing { since: liveness.silent_since.get() };
        assert_eq!(judge(&liveness, Duration::from_secs(4), closing, true), Action::None);
        assert_eq!(
            judge(&liveness, Duration::from_secs(5), closing, true),
            Action::Abort(CloseReason::ConnectionLost)
        );
    }
}
