//! The program as a client of a running server: lines go into a room, or come out of it.

mod connection; // reconnects, resumes, notices silence
mod escape; // text of other people on a terminal
mod listen; // a room to standard output
mod outage; // how long to wait between attempts, and when to give up
mod output; // standard output and its reader
mod pipe; // standard input to a room
mod server_address; // what people write
mod server_message; // worldcast.v1
mod tls; // wss://

pub use connection::Address;
pub use listen::listen;
pub use pipe::pipe;
pub use server_address::ServerAddress;
pub use tls::Trust;

use escape::escaped;
use std::io;
use worldcast::{config::ByteSize, exit::Exit};

/// Why a command ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    #[error("cannot trust the server: {0}")]
    Untrusted(String),
    #[error(
        "this machine lists no authorities to trust{0}; install ca-certificates, or name a file: --ca FILE"
    )]
    NoAuthorities(String),
    #[error("cannot read what is to be said: {0}")]
    Input(io::Error),
    #[error("line {number} is longer than {max}, and was not said; --max-line takes longer ones")]
    LineTooLong { number: u64, max: ByteSize },
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl Failure {
    /// A refusal in the server's words.
    fn refused(reason: &str) -> Self {
        Self::Refused(escaped(reason, &[]))
    }

    /// The exit code of the program.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) | Self::Input(_) | Self::LineTooLong { .. } | Self::Output(_) => Exit::Failure,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(..) => Exit::Unreachable,
            Self::Untrusted(_) | Self::NoAuthorities(_) => Exit::Untrusted,
        }
    }
}
