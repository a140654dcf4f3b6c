//! The signals that ask the server to stop.

use crate::logging::{TARGET, finish};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code when a second signal ended the process at once.
pub const EXIT_SECOND_SIGNAL: i32 = 130;

pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Ends the process when one more signal comes, in the background.
    pub fn exit_at_next(mut self) {
        actix_rt::spawn(async move {
            let signal = self.next().await;
            log::warn!(target: TARGET, "{signal} again: stopping at once; whoever is still connected is cut off");
            finish();
            std::process::exit(EXIT_SECOND_SIGNAL);
        });
    }
}
