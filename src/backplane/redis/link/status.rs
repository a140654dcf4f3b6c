//! The state of the link as people and machines see it: log lines, readiness, metrics.

use super::{
    failure::{Failure, SetupError},
    server::ServerFacts,
};
use crate::{
    backplane::redis::entry::NodeId,
    config::BackplaneSettings,
    exit::Exit,
    logging::{Escaped, TARGET},
    metrics::Metrics,
    readiness::{NotReady, Readiness},
};
use log::{error, info, warn};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// Time between two lines about a server that was never reached.
const REMINDER: Duration = Duration::from_secs(5);

/// Time after which another reason of the same outage is logged.
const OTHER_REASON: Duration = Duration::from_secs(10);

/// Lines about changes that may be written at once.
const MAX_LINES: u32 = 4;

/// Time after which another line may be written.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The state of a link, and what was logged of it.
pub struct Status {
    address: String,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    state: State,
    logged: Option<(State, Instant)>,
    lines: Lines,
    was_up: bool,
    down_since: Instant,
    warned: BTreeSet<String>,
}

/// The state of a server, as it is logged.
#[derive(Clone, PartialEq)]
enum State {
    /// It can be called; with the facts.
    Up(String),
    /// It cannot; with the reason.
    Down(String),
}

/// The lines about changes that may be written: a server that comes and goes fills no log.
struct Lines {
    left: u32,
    counted: Instant,
}

impl Lines {
    fn take(&mut self, now: Instant) -> bool {
        while self.left < MAX_LINES && now.duration_since(self.counted) >= LINE_EVERY {
            self.left += 1;
            self.counted += LINE_EVERY;
        }
        if self.left == MAX_LINES {
            self.counted = now;
        }
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}

impl Status {
    /// The state of a link that was not connected yet.
    pub fn new(settings: &BackplaneSettings, metrics: Arc<Metrics>, readiness: Readiness) -> Self {
        readiness.add(NotReady::Backplane);
        Self {
            address: settings.url.to_string(),
            metrics,
            readiness,
            state: State::Down(String::new()),
            logged: None,
            lines: Lines { left: MAX_LINES, counted: Instant::now() },
            was_up: false,
            down_since: Instant::now(),
            warned: BTreeSet::new(),
        }
    }

    /// The server can be called.
    pub fn up(&mut self, server: &ServerFacts, is_again: bool) {
        self.readiness.remove(NotReady::Backplane);
        self.metrics.backplane_up.set(1);
        let again = match is_again {
            true => {
                self.metrics.backplane_reconnects.inc();
                format!(" again after {:.1?}", self.down_since.elapsed())
            }
            false => String::new(),
        };
        self.was_up = true;
        self.state = State::Up(format!("connected to {} ({server}){again}", self.address));
        self.settle();
        self.warn_of(server);
    }

    /// The server cannot be called.
    pub fn down(&mut self, failure: &Failure) {
        self.readiness.add(NotReady::Backplane);
        self.metrics.backplane_up.set(0);
        if matches!(self.state, State::Up(_)) {
            self.down_since = Instant::now();
        }
        self.state = State::Down(failure.to_string());
        self.settle();
    }

    /// Logs the state if that is due.
    pub fn settle(&mut self) {
        let now = Instant::now();
        let is_due = match (&self.state, &self.logged) {
            (State::Up(_), Some((State::Up(_), _))) => false,
            (State::Down(_), Some((State::Down(_), at))) if !self.was_up => *at + REMINDER <= now,
            (State::Down(reason), Some((State::Down(told), at))) => {
                reason != told && *at + OTHER_REASON <= now
            }
            _ => self.lines.take(now),
        };
        if !is_due {
            return;
        }
        match &self.state {
            State::Up(line) => info!(target: TARGET, "backplane: {}", Escaped(line)),
            State::Down(reason) => {
                warn!(target: TARGET, "backplane: {}: {}", self.address, Escaped(reason));
            }
        }
        self.logged = Some((self.state.clone(), now));
    }

    /// A dead node was removed.
    pub fn reaped(&self, node: NodeId) {
        info!(target: TARGET, "backplane: node {node} is dead; its clients were removed from the rooms");
    }

    /// Ends the process, because the set-up of the server is wrong.
    pub fn end_process(&self, error: &SetupError) -> ! {
        error!(target: TARGET, "backplane: {}", Escaped(&error.to_string()));
        Exit::Failure.end_process();
    }

    /// Warns of what does not stop the server from being used, once while it lasts.
    fn warn_of(&mut self, server: &ServerFacts) {
        let warnings: BTreeSet<_> = server.warnings().into_iter().collect();
        for warning in warnings.difference(&self.warned) {
            warn!(target: TARGET, "backplane: {}: {}", self.address, Escaped(warning));
        }
        self.warned = warnings;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_for_each_change_until_there_are_too_many() {
        let now = Instant::now();
        let mut lines = Lines { left: MAX_LINES, counted: now };
        let taken = |lines: &mut Lines, now| (0..10).filter(|_| lines.take(now)).count();
        assert_eq!(taken(&mut lines, now), 4);
        assert_eq!(taken(&mut lines, now + LINE_EVERY), 1);
        assert_eq!(taken(&mut lines, now + 100 * LINE_EVERY), 4);
    }
}
