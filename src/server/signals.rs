//! The signals that the server takes: some ask it to stop, none ends it without a goodbye.

use crate::{exit::Exit, logging::TARGET};
use log::{debug, info, warn};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves; what comes before they are waited for is kept.
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

    /// The next signal that asks to stop. The others change nothing, and the log says so.
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

    /// Ends the process when one more signal asks to stop, in the background.
    pub fn exit_at_next(mut self) {
        actix_rt::spawn(async move {
            let signal = self.next_stop().await;
            warn!(target: TARGET, "{signal} again: stopping at once; whoever is still connected is cut off");
            Exit::SecondSignal.end_process();
        });
    }
}
