//! A promise that was not kept.

use std::fmt;

/// The promises to every client (docs/guarantees.md), and to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    OneOrder,
    ExactlyOnce,
    NothingSkipped,
    NothingInvented,
    NoEcho,
    AcceptedIsDelivered,
    RightEnd,
    WellFormed,
    BoundedMemory,
    NothingLeft,
    CleanStop,
}

/// Which promise, who saw it broken, and how.
#[derive(Debug)]
pub struct Breach {
    pub promise: Promise,
    pub who: String,
    pub expected: String,
    pub found: String,
}

pub type Verdict = Result<(), Breach>;

impl Breach {
    pub fn of(promise: Promise, who: impl ToString, expected: impl ToString, found: impl ToString) -> Self {
        Self { promise, who: who.to_string(), expected: expected.to_string(), found: found.to_string() }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneOrder => "every client of a room receives the same messages in the same order",
            Self::ExactlyOnce => "a message is received exactly once",
            Self::NothingSkipped => "no message is skipped silently",
            Self::NothingInvented => "a received message was published, byte for byte, in this room",
            Self::NoEcho => "a client without echo receives no message of its own",
            Self::AcceptedIsDelivered => "an accepted message is delivered",
            Self::RightEnd => "a connection ends when it must, and with the right code",
            Self::WellFormed => "frames of the server are well-formed",
            Self::BoundedMemory => "no client makes the server hold more than its bounds",
            Self::NothingLeft => "nothing is left of clients that have disconnected",
            Self::CleanStop => "the server stops cleanly and in time",
        })
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.promise)?;
        writeln!(f, "     who: {}", self.who)?;
        writeln!(f, "expected: {}", self.expected)?;
        write!(f, "   found: {}", self.found)
    }
}
