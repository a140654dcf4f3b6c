//! Exit codes of the program, and the guard that ends it after a fatal panic.

use crate::logging::{TARGET, finish};
use std::process::ExitCode;

/// The reason why the program ends, as an exit code that scripts and supervisors can rely on.
///
/// docs/operations.md lists them for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command has succeeded.
    Success = 0,
    /// The configuration, the start, the server or a stream of the program failed.
    Failure = 1,
    /// The command line is wrong; clap uses the same code.
    Usage = 2,
    /// A client could not reach the server in time.
    Unreachable = 3,
    /// A client does not trust the certificate of the server.
    Untrusted = 4,
    /// An actor that cannot be replaced panicked (`EX_SOFTWARE` of sysexits.h).
    Panic = 70,
    /// A second signal ended the server at once (128 + SIGINT, as shells count).
    SecondSignal = 130,
}

impl Exit {
    /// Every exit code, in ascending order.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::Unreachable,
        Self::Untrusted,
        Self::Panic,
        Self::SecondSignal,
    ];

    /// The number that the parent process sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The explanation for `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "stopped cleanly; pipe: every message has arrived; listen: its output is closed",
            Self::Failure => {
                "the configuration is refused, or the server could not start; pipe, listen: the server\n\
                 refuses or could not confirm a line, or standard input or output fails"
            }
            Self::Usage => "the command line is wrong",
            Self::Unreachable => {
                "pipe, listen: the server cannot be reached, or closes each session, for as long as --patience"
            }
            Self::Untrusted => "pipe, listen: the certificate of the server is not trusted",
            Self::Panic => "a part of the server that cannot be replaced has failed",
            Self::SecondSignal => "stopped at once by a second signal",
        }
    }

    /// Ends the process with this code, after the last lines of the log.
    pub fn end_process(self) -> ! {
        finish();
        std::process::exit(self.code().into());
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Ends the process when an essential actor panics: tokio would swallow the panic, and messages to
/// a dead actor are lost silently. The text names the actor.
pub struct PanicGuard(pub &'static str);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let code = Exit::Panic.code();
            log::error!(target: TARGET, "the {} panicked; nothing works without it: exiting with code {code}", self.0);
            Exit::Panic.end_process();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_read_of_every_exit_code_and_of_no_other() {
        let documented = include_str!("../docs/operations.md").split_once("| exit code | why |").unwrap().1;
        let rows = documented.lines().skip(2).take_while(|line| line.starts_with("| "));
        let listed: Vec<u8> =
            rows.map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
        assert_eq!(listed, Exit::ALL.map(Exit::code));
        assert!(listed.is_sorted());
    }
}
