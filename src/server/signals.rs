//! The signals that the server handles: some ask it to stop, and none ends it without a graceful
//! shutdown.

use crate::{exit::Exit, logging::TARGET};
use log::{debug, info, warn};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers of six signals.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// Installs the handlers, after which the signals do not end the process by themselves. A
    /// signal that arrives before [`Signals::next_stop`] is kept.
    ///
    /// # Errors
    /// Fails if the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal that asks to stop, and returns its name. The others are only
    /// logged.
    pub async fn next_stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.hangup.recv() => {
                    info!(target: TARGET, "SIGHUP: the configuration is not read again while the server runs");
                }
                _ = self.user_1.recv() => debug!(target: TARGET, "SIGUSR1: nothing to do"),
                _ = self.user_2.recv() => debug!(target: TARGET, "SIGUSR2: nothing to do"),
            }
        }
    }

    /// Ends the process at the next signal that asks to stop, in the background.
    pub fn exit_at_next(mut self) {
        actix_rt::spawn(async move {
            let signal = self.next_stop().await;
            warn!(target: TARGET, "{signal} again: stopping at once; open connections are dropped");
            Exit::SecondSignal.end_process();
        });
    }
}
