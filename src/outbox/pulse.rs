//! The signs of life of one connection, and what their absence means. Moments are those of the thread's [`clock`].

use super::{CloseReason, Phase};
use crate::{clock, config::SessionSettings};
use std::{cell::Cell, time::Instant};

/// When each thing happened last that may not stay away for ever.
pub struct Pulse {
    /// Since when the peer is silent: any byte of it counts as life. Once it is pinged, when that was.
    silent_since: Cell<Instant>,
    /// Whether the silence was answered with a ping.
    pinged: Cell<bool>,
    /// Why and since when the client is not read.
    paused: Cell<Option<(Pause, Instant)>>,
    /// When the kernel last took something, or was last asked to after a time without need.
    last_written: Cell<Instant>,
}

/// Why a socket is not read; in that time its silence says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    /// The server has no room for the client's message.
    Server,
    /// Too much is under way in the client's room.
    Room,
    /// The client is faster than it may be.
    Pace,
    /// The client is not in its room yet.
    Admission,
}

impl Pause {
    /// One word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Room => "room",
            Self::Pace => "pace",
            Self::Admission => "admission",
        }
    }
}

/// What to do about a connection.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Fine,
    Ping,
    End(CloseReason),
    Abort(CloseReason),
}

impl Pulse {
    pub fn new(now: Instant) -> Self {
        Self {
            silent_since: Cell::new(now),
            pinged: Cell::new(false),
            paused: Cell::new(None),
            last_written: Cell::new(now),
        }
    }

    pub fn heard(&self) {
        self.silent_since.set(clock::now());
        self.pinged.set(false);
    }

    pub fn written(&self) {
        self.last_written.set(clock::now());
    }

    /// The client is not read for a while; `true` when that is news.
    pub fn pause(&self, pause: Pause) -> bool {
        let news = self.paused.get().is_none_or(|(before, _)| before != pause);
        if news {
            self.paused.set(Some((pause, clock::now())));
        }
        news
    }

    pub fn is_paused(&self) -> bool {
        self.paused.get().is_some()
    }

    /// The pause was ours: the client's silence counts from its end.
    pub fn resumed(&self) {
        if self.paused.take().is_some() {
            self.heard();
        }
    }

    /// Remembers that the verdict `Ping` was carried out: the answer has its time from `now` on.
    pub fn pinged(&self, now: Instant) {
        self.silent_since.set(now);
        self.pinged.set(true);
    }

    /// Judges the connection at `now`; `waiting` says whether bytes wait to be written.
    pub fn judge(&self, now: Instant, phase: Phase, waiting: bool, limits: &SessionSettings) -> Verdict {
        let since = |then: Instant| now.saturating_duration_since(then);
        match phase {
            Phase::Gone => return Verdict::Fine,
            Phase::Closing { since: then } if since(then) >= limits.close_within => {
                return Verdict::Abort(CloseReason::ConnectionLost);
            }
            Phase::Closing { .. } => return Verdict::Fine,
            Phase::Open | Phase::Departing => {}
        }
        if waiting && since(self.last_written.get()) >= limits.stalled_write {
            return Verdict::Abort(CloseReason::WriteStalled);
        }
        match self.paused.get() {
            Some((Pause::Server, then)) if since(then) >= limits.stalled_write => {
                return Verdict::End(CloseReason::Overloaded);
            }
            Some(_) => return Verdict::Fine,
            None => {}
        }
        let silence = since(self.silent_since.get());
        match self.pinged.get() {
            false if silence >= limits.ping_after => Verdict::Ping,
            true if waiting => Verdict::Fine, // the ping may be among what waits, and the peer does take it
            true if silence.min(since(self.last_written.get())) >= limits.pong_within => {
                Verdict::End(CloseReason::Silent)
            }
            _ => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn judge(pulse: &Pulse, after: Duration, phase: Phase, waiting: bool) -> Verdict {
        let now = pulse.silent_since.get().max(pulse.last_written.get()) + after;
        pulse.judge(now, phase, waiting, &SessionSettings::default())
    }

    #[test]
    fn silence_is_pinged_once_and_then_ends_the_session() {
        let pulse = Pulse::new(Instant::now());
        let open = |pulse: &Pulse, seconds| judge(pulse, Duration::from_secs(seconds), Phase::Open, false);
        assert_eq!(open(&pulse, 24), Verdict::Fine);
        assert_eq!(open(&pulse, 25), Verdict::Ping);
        pulse.pinged(pulse.silent_since.get() + Duration::from_secs(25));
        assert_eq!(open(&pulse, 9), Verdict::Fine);
        assert_eq!(open(&pulse, 10), Verdict::End(CloseReason::Silent));
        pulse.heard();
        assert_eq!(open(&pulse, 25), Verdict::Ping, "any byte is life");
    }

    #[test]
    fn a_client_is_asked_before_it_is_silent_however_late_that_is() {
        let pulse = Pulse::new(Instant::now());
        let hour = Duration::from_secs(3600);
        assert_eq!(judge(&pulse, hour, Phase::Open, false), Verdict::Ping);
        pulse.pinged(pulse.silent_since.get() + hour);
        assert_eq!(judge(&pulse, Duration::from_secs(9), Phase::Open, false), Verdict::Fine);
        assert_eq!(
            judge(&pulse, Duration::from_secs(10), Phase::Open, false),
            Verdict::End(CloseReason::Silent)
        );
    }

    #[test]
    fn a_ping_that_waits_behind_a_backlog_is_not_unanswered() {
        let start = Instant::now();
        let (pulse, at) = (Pulse::new(start), |seconds| start + Duration::from_secs(seconds));
        let judge =
            |seconds, waiting| pulse.judge(at(seconds), Phase::Open, waiting, &SessionSettings::default());
        pulse.pinged(at(25));
        for seconds in 25..60 {
            pulse.last_written.set(at(seconds)); // the client reads, slowly
            assert_eq!(judge(seconds, true), Verdict::Fine);
        }
        assert_eq!(judge(68, false), Verdict::Fine);
        assert_eq!(judge(69, false), Verdict::End(CloseReason::Silent), "10 s after the last of it left");
    }

    #[test]
    fn a_client_that_waits_for_us_is_not_silent_but_does_not_wait_for_ever() {
        let pulse = Pulse::new(Instant::now());
        assert!(pulse.pause(Pause::Server));
        assert!(!pulse.pause(Pause::Server), "a pause begins once");
        let limits = SessionSettings { stalled_write: Duration::from_secs(60), ..Default::default() };
        let judge =
            |seconds| pulse.judge(Instant::now() + Duration::from_secs(seconds), Phase::Open, false, &limits);
        assert_eq!(judge(59), Verdict::Fine);
        assert_eq!(judge(60), Verdict::End(CloseReason::Overloaded));
    }

    #[test]
    fn a_client_that_is_slowed_down_is_not_silent() {
        let pulse = Pulse::new(Instant::now());
        pulse.pause(Pause::Pace);
        assert_eq!(judge(&pulse, Duration::from_secs(3600), Phase::Open, false), Verdict::Fine);
        pulse.resumed();
        assert_eq!(judge(&pulse, Duration::from_secs(25), Phase::Open, false), Verdict::Ping);
    }

    #[test]
    fn a_write_without_progress_cuts_the_connection() {
        let pulse = Pulse::new(Instant::now());
        assert_eq!(judge(&pulse, Duration::from_secs(9), Phase::Open, true), Verdict::Fine);
        assert_eq!(
            judge(&pulse, Duration::from_secs(10), Phase::Departing, true),
            Verdict::Abort(CloseReason::WriteStalled)
        );
    }

    #[test]
    fn a_closing_handshake_has_a_deadline() {
        let pulse = Pulse::new(Instant::now());
        let closing = Phase::Closing { since: pulse.silent_since.get() };
        assert_eq!(judge(&pulse, Duration::from_secs(4), closing, true), Verdict::Fine);
        assert_eq!(
            judge(&pulse, Duration::from_secs(5), closing, true),
            Verdict::Abort(CloseReason::ConnectionLost)
        );
    }
}
