//! The program as a client of a running server: lines go into a room, or come out of it.

mod connection; // one that comes back
mod listen; // a room to standard output
mod pipe; // standard input to a room
mod told; // what the server says

pub use connection::Address;
pub use listen::listen;
pub use pipe::pipe;

/// Why a command ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    #[error("cannot read what is to be said: {0}")]
    Input(std::io::Error),
}

impl Failure {
    /// The exit code of the program.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Input(_) => 1,
            Self::Unreachable(..) => 3,
        }
    }
}
