//! The kinds of clients, their frequency, and their expected ends.

use super::{disconnects::Disconnect, end::End, handshakes::Request, violations::Violation};
use fastrand::Rng;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Receives everything, publishes nothing.
    Subscriber,
    /// Publishes now and then.
    Publisher { echo: bool },
    /// Joins, publishes a little, leaves.
    Visitor { echo: bool },
    /// Joins one empty room after the other; begins more rooms than `limits.rooms`.
    Hopper,
    /// Publishes in fragments, with pings between them.
    Fragmenter,
    /// Publishes as fast as the socket accepts.
    Flooder { echo: bool },
    /// Breaks a rule of the protocol.
    Violating(Violation),
    /// Disconnects without a closing handshake.
    Disconnecting(Disconnect),
    /// Reads less than is published.
    SlowReader,
    /// Reads nothing.
    NotReading,
    /// Reads, and answers no ping.
    Silent,
    /// Sends a request that is refused.
    Refused(Request),
    /// Sends the head of its request a byte at a time, or not at all.
    SlowHead { dribbles: bool },
    /// Receives a close frame and does not answer it.
    Straggler,
}

impl Kind {
    /// A client that joins and leaves during the act.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..26 => Self::Visitor { echo: rng.bool() },
            26..34 => Self::Hopper,
            34..40 => Self::Fragmenter,
            40..46 => Self::Flooder { echo: rng.bool() },
            46..60 => Self::Violating(Violation::draw(rng)),
            60..76 => Self::disconnecting(rng),
            76..80 => Self::SlowReader,
            80..87 => Self::NotReading,
            87..89 => Self::Silent,
            89..97 => Self::Refused(Request::draw(rng)),
            _ => Self::SlowHead { dribbles: rng.bool() },
        }
    }

    pub fn disconnecting(rng: &mut Rng) -> Self {
        Self::Disconnecting(Disconnect::draw(rng))
    }

    pub fn echo(self) -> bool {
        !matches!(
            self,
            Self::Publisher { echo: false } | Self::Visitor { echo: false } | Self::Flooder { echo: false }
        )
    }

    /// True if it belongs into a busy room.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Flooder { .. } | Self::SlowReader | Self::NotReading)
    }

    /// True if its receive buffer is as small as the kernel allows.
    pub fn has_a_small_buffer(self) -> bool {
        matches!(self, Self::SlowReader | Self::NotReading)
    }

    pub fn max_stay(self) -> Duration {
        Duration::from_secs(match self {
            Self::Silent => 7,
            Self::NotReading | Self::SlowReader | Self::SlowHead { .. } => 4,
            _ => 2,
        })
    }

    /// The expected ends of such a client.
    pub fn ends(self) -> Vec<End> {
        match self {
            Self::Hopper => vec![End::Answered, End::Code(1013)],
            Self::Violating(violation) => vec![End::Code(violation.code())],
            Self::Disconnecting(Disconnect::HalfClosing) => vec![End::Lost],
            Self::Disconnecting(_) => vec![End::Disconnected],
            // aborted, where it reads even the close frame too slowly
            Self::SlowReader => vec![End::Answered, End::Code(1013), End::Lost, End::Reset],
            Self::NotReading => vec![End::Answered, End::Code(1013), End::Code(1001), End::Lost, End::Reset],
            Self::Silent => vec![End::Code(1001)],
            Self::Refused(request) => vec![End::Refused(request.status())],
            Self::SlowHead { .. } => vec![End::NotAdmitted, End::Refused(408)],
            _ => vec![End::Answered],
        }
    }

    /// Its expected ends while the server stops.
    pub fn ends_when_stopping(self) -> Vec<End> {
        match self {
            Self::Subscriber | Self::Publisher { .. } | Self::Straggler => vec![End::Code(1012)],
            other => [&[End::Code(1012), End::NotAdmitted], &other.ends()[..]].concat(),
        }
    }

    /// Its expected ends while nodes and Redis are disturbed.
    pub fn ends_when_disturbed(self) -> Vec<End> {
        let of_nodes = [End::Lost, End::Reset, End::NotAdmitted, End::Code(1012), End::Code(1013)];
        [&of_nodes[..], &self.ends()].concat()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "subscribers",
            Self::Publisher { .. } => "publishers",
            Self::Visitor { .. } => "visitors",
            Self::Hopper => "hoppers",
            Self::Fragmenter => "fragmenters",
            Self::Flooder { .. } => "flooders",
            Self::Violating(_) => "violating",
            Self::Disconnecting(_) => "disconnecting",
            Self::SlowReader => "slow readers",
            Self::NotReading => "not reading",
            Self::Silent => "silent",
            Self::Refused(_) => "refused callers",
            Self::SlowHead { .. } => "slow heads",
            Self::Straggler => "stragglers",
        }
    }
}
