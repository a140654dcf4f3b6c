//! The commands `pipe` and `listen`, which connect to a running server as a client.

mod connection; // reconnects, resumes, notices silence
mod escape; // text of other clients on a terminal
mod listen; // a room to standard output
mod outage; // pauses between attempts, and the end of patience
mod output; // standard output and its reader
mod pipe; // standard input to a room
mod server_address; // the option --server
mod server_message; // messages of worldcast.v1
mod tls; // wss://

pub use connection::Address;
pub use listen::listen;
pub use pipe::pipe;
pub use server_address::ServerAddress;
pub use tls::Trust;

use escape::escaped;
use std::io;
use worldcast::{config::ByteSize, exit::Exit};

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
    /// The certificate of the server is not trusted.
    #[error("cannot trust the server: {0}")]
    Untrusted(String),
    /// There is no certificate authority to trust.
    #[error(
        "this machine lists no authorities to trust{0}; install ca-certificates, or name a file: --ca FILE"
    )]
    NoAuthorities(String),
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
    /// The server did not confirm this number of lines, which may be published or not.
    #[error("lines that the server did not confirm: {0}; each of them may be published or not")]
    Unconfirmed(u64),
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
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(_)
            | Self::Input(_)
            | Self::LineTooLong { .. }
            | Self::Unconfirmed(_)
            | Self::Output(_) => Exit::Failure,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(..) => Exit::Unreachable,
            Self::Untrusted(_) | Self::NoAuthorities(_) => Exit::Untrusted,
        }
    }
}
