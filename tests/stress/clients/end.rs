//! The end of a connection, as the client sees it.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The server answered the client's close frame with the same code.
    Answered,
    /// The server closed with this code.
    Code(u16),
    /// The connection was closed without a close frame.
    Lost,
    /// The connection was reset.
    Reset,
    /// The opening handshake was refused with this status.
    Refused(u16),
    /// The server did not accept the connection, or closed it before it had answered the request.
    NotAdmitted,
    /// The client disconnected without waiting for anything.
    Disconnected,
    /// The expected bytes did not arrive in time.
    Never,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => f.write_str("close frame answered"),
            Self::Code(code) => code.fmt(f),
            Self::Lost => f.write_str("closed"),
            Self::Reset => f.write_str("reset"),
            Self::Refused(status) => write!(f, "answered {status}"),
            Self::NotAdmitted => f.write_str("not admitted"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Never => f.write_str("nothing"),
        }
    }
}
