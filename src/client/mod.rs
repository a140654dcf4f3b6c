//! The commands `pipe` and `listen`, which connect to a running server as a client.

mod connection; // reconnects, resumes, notices silence
mod escape; // text of other clients on a terminal
mod listen; // a room to standard output
mod outage; // pauses between attempts, and the end of patience
mod output; // standard output and its reader
mod pipe; // standard input to a room
mod server_address; // the option --server
mod server_message; // messages of worldcast.v1

pub use connection::Address;
pub use listen::listen;
pub use pipe::pipe;
pub use server_address::ServerAddress;

use escape::escaped;
use std::io;
use worldcast::config::ByteSize;

/// The error that ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The server refuses the connection or a message; contains its reason.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server was not reached within `--patience`; contains its address and the last error.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// A line of standard input is longer than `--max-line`.
    #[error("line {number} is longer than {max}, and was not published; --max-line allows longer ones")]
    LineTooLong {
        /// The number of the line, from 1.
        number: u64,
        /// The longest line that is allowed.
        max: ByteSize,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl Failure {
    /// Creates a refusal with the server's reason, escaped for a terminal.
    fn refused(reason: &str) -> Self {
        Self::Refused(escaped(reason, &[]))
    }

    /// Returns the exit code of the program.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Input(_) | Self::LineTooLong { .. } | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(..) => 3,
        }
    }
}
