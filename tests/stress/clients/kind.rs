//! The kinds of clients, how often they come, and what each may see last.

use super::{breakers::Offence, doorstep::Request, end::End, vanishers::Way};
use fastrand::Rng;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Hears everything, says nothing.
    Listener,
    /// Says something now and then.
    Talker { echo: bool },
    /// Comes, says a little, goes.
    Passenger { echo: bool },
    /// Goes from room to room, where nobody else is; begins more rooms than there may be.
    Hopper,
    /// Says its messages in pieces, with pings between them.
    Fragmenter,
    /// Speaks as fast as the socket takes it.
    Flooder { echo: bool },
    /// Breaks a rule of the wire.
    Breaker(Offence),
    /// Goes without a goodbye.
    Vanisher(Way),
    /// Reads less than is said.
    SlowReader,
    /// Reads nothing.
    Deaf,
    /// Reads, and answers no ping.
    Silent,
    /// Does not come in.
    Caller(Request),
    /// Sends the head of its request a byte at a time, or not at all.
    Loris { dribbles: bool },
    /// Takes the goodbye and does not answer it.
    Straggler,
}

impl Kind {
    /// A client that comes and goes.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..26 => Self::Passenger { echo: rng.bool() },
            26..34 => Self::Hopper,
            34..40 => Self::Fragmenter,
            40..46 => Self::Flooder { echo: rng.bool() },
            46..60 => Self::Breaker(Offence::draw(rng)),
            60..76 => Self::vanisher(rng),
            76..80 => Self::SlowReader,
            80..87 => Self::Deaf,
            87..89 => Self::Silent,
            89..97 => Self::Caller(Request::draw(rng)),
            _ => Self::Loris { dribbles: rng.bool() },
        }
    }

    pub fn vanisher(rng: &mut Rng) -> Self {
        Self::Vanisher(Way::draw(rng))
    }

    pub fn echo(self) -> bool {
        !matches!(
            self,
            Self::Talker { echo: false } | Self::Passenger { echo: false } | Self::Flooder { echo: false }
        )
    }

    /// Whether it belongs where much is said.
    pub fn is_loud(self) -> bool {
        matches!(self, Self::Flooder { .. } | Self::SlowReader | Self::Deaf)
    }

    /// Whether it takes in as little as the kernel lets it.
    pub fn has_a_small_ear(self) -> bool {
        matches!(self, Self::SlowReader | Self::Deaf)
    }

    pub fn stays_at_most(self) -> Duration {
        Duration::from_secs(match self {
            Self::Silent => 7,
            Self::Deaf | Self::SlowReader | Self::Loris { .. } => 4,
            _ => 2,
        })
    }

    /// What such a client may see last.
    pub fn ends(self) -> Vec<End> {
        match self {
            Self::Hopper => vec![End::Answered, End::Code(1013)],
            Self::Breaker(offence) => vec![End::Code(offence.code())],
            Self::Vanisher(Way::HalfClosing) => vec![End::Lost],
            Self::Vanisher(_) => vec![End::Vanished],
            // cut off, where it reads even the goodbye too slowly
            Self::SlowReader => vec![End::Answered, End::Code(1013), End::Lost, End::Reset],
            Self::Deaf => vec![End::Answered, End::Code(1013), End::Code(1001), End::Lost, End::Reset],
            Self::Silent => vec![End::Code(1001)],
            Self::Caller(request) => vec![End::Refused(request.status())],
            Self::Loris { .. } => vec![End::NotLetIn, End::Refused(408)],
            _ => vec![End::Answered],
        }
    }

    /// What it may see last when the server is told to stop meanwhile.
    pub fn ends_when_stopping(self) -> Vec<End> {
        match self {
            Self::Listener | Self::Talker { .. } | Self::Straggler => vec![End::Code(1012)],
            other => [&[End::Code(1012), End::NotLetIn], &other.ends()[..]].concat(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listeners",
            Self::Talker { .. } => "talkers",
            Self::Passenger { .. } => "passengers",
            Self::Hopper => "hoppers",
            Self::Fragmenter => "fragmenters",
            Self::Flooder { .. } => "flooders",
            Self::Breaker(_) => "breakers of rules",
            Self::Vanisher(_) => "vanishers",
            Self::SlowReader => "slow readers",
            Self::Deaf => "deaf ones",
            Self::Silent => "silent ones",
            Self::Caller(_) => "refused callers",
            Self::Loris { .. } => "slow heads",
            Self::Straggler => "stragglers",
        }
    }
}
