//! What people and machines see of the link: log lines, readiness, metrics.

use super::{
    failure::{Failure, SetupError},
    server::ServerFacts,
};
use crate::{
    backplane::redis::call::NodeId,
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

/// Shortest time between two lines that say the same of the server.
const QUIET: Duration = Duration::from_secs(10);

/// Time between two lines about a server that was never reached.
const REMINDER: Duration = Duration::from_secs(5);

/// The state of a link, and what was logged of it.
pub struct Status {
    address: String,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    /// The reason while the server cannot be called; empty at the start.
    reason: Option<String>,
    /// The last two lines: of a server that can be called, and of one that cannot.
    up_logged: Option<Instant>,
    down_logged: Option<(Instant, String)>,
    /// The line that was held back.
    held: Option<String>,
    is_up: bool,
    was_up: bool,
    down_since: Instant,
    warned: BTreeSet<String>,
}

impl Status {
    /// The state of a link that was not connected yet.
    pub fn new(settings: &BackplaneSettings, metrics: Arc<Metrics>, readiness: Readiness) -> Self {
        readiness.add(NotReady::Backplane);
        Self {
            address: settings.url.to_string(),
            metrics,
            readiness,
            reason: None,
            up_logged: None,
            down_logged: None,
            held: None,
            is_up: false,
            was_up: false,
            down_since: Instant::now(),
            warned: BTreeSet::new(),
        }
    }

    /// The server can be called.
    pub fn up(&mut self, server: &ServerFacts, is_again: bool) {
        self.readiness.remove(NotReady::Backplane);
        self.metrics.backplane_up.set(1);
        if is_again {
            self.metrics.backplane_reconnects.inc();
        }
        let away = match is_again {
            true => format!(" again after {:.1?}", self.down_since.elapsed()),
            false => String::new(),
        };
        self.is_up = true;
        self.was_up = true;
        self.reason = None;
        let line = format!("backplane: connected to {} ({server}){away}", self.address);
        self.warn_of(server);
        match self.up_logged.is_some_and(|logged| logged.elapsed() < QUIET) {
            true => self.held = Some(line),
            false => self.log_up(&line),
        }
    }

    /// The server cannot be called.
    pub fn down(&mut self, failure: &Failure) {
        self.readiness.add(NotReady::Backplane);
        self.metrics.backplane_up.set(0);
        if self.is_up {
            self.down_since = Instant::now();
        }
        self.is_up = false;
        let reason = failure.to_string();
        let quiet = if self.was_up { QUIET } else { REMINDER };
        let is_told = self.down_logged.as_ref().is_some_and(|(at, told)| {
            at.elapsed() < quiet || self.was_up && *told == reason && self.reason.is_some()
        });
        self.reason = Some(reason.clone());
        match is_told {
            true => self.held = None,
            false => self.log_down(reason),
        }
    }

    /// Logs the present state if it was held back and has lasted.
    pub fn settle(&mut self) {
        let up_told_last = match (self.up_logged, &self.down_logged) {
            (Some(up), Some((down, _))) => up > *down,
            (up, _) => up.is_some(),
        };
        let is_quiet = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= QUIET);
        let (up, down) = (self.up_logged, self.down_logged.as_ref().map(|(at, _)| *at));
        match (self.is_up, up_told_last) {
            (true, false) if is_quiet(up) => {
                if let Some(line) = self.held.take() {
                    self.log_up(&line);
                }
            }
            (false, true) if is_quiet(down) => {
                if let Some(reason) = self.reason.clone() {
                    self.log_down(reason);
                }
            }
            _ => {}
        }
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

    fn log_up(&mut self, line: &str) {
        info!(target: TARGET, "{}", Escaped(line));
        self.up_logged = Some(Instant::now());
        self.held = None;
    }

    fn log_down(&mut self, reason: String) {
        let line = format!("backplane: {}: {reason}", self.address);
        warn!(target: TARGET, "{}", Escaped(&line));
        self.down_logged = Some((Instant::now(), reason));
        self.held = None;
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
