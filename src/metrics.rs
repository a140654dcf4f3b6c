//! What the server counts, for Prometheus. docs/operations.md says what each means and when to worry.
//!
//! Imported by every module; imports none of them.

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use std::fmt;

/// All counters of one server. Adding to them takes no lock, but for the histograms, which are
/// touched once for many messages.
pub struct Metrics {
    registry: Registry,
    /// Sessions that are open.
    pub sessions: Gauge,
    /// Sessions that began.
    pub sessions_begun: Counter,
    /// Sessions that ended, by the code of the close frame.
    pub closes: Family<CloseLabels, Counter>,
    /// Requests that were refused, by the code in the answer.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Responses to plain requests that were cut off, for their client took them too slowly.
    pub responses_cut: Counter,
    /// Attempts to accept that failed, for want of descriptors or memory.
    pub accept_errors: Counter,
    pub messages_received: Counter,
    pub bytes_received: Counter,
    /// One message to one client each.
    pub messages_sent: Counter,
    pub bytes_sent: Counter,
    /// Bytes that the kernel did not take yet.
    pub outbox_bytes: Gauge,
    /// Bytes of messages between speakers and hearers.
    pub in_flight_bytes: Gauge,
    /// Idempotency keys that are remembered.
    pub idempotency_keys: Gauge,
    /// Bytes of request bodies that are being read.
    pub body_bytes: Gauge,
    /// Bytes that answers about histories hold.
    pub answer_bytes: Gauge,
    pub rooms: Gauge,
    /// Messages that rooms remember.
    pub history_messages: Gauge,
    pub history_bytes: Gauge,
    /// Bytes of histories that are kept encoded for newcomers.
    pub recall_cache_bytes: Gauge,
    /// From the moment when the hub took a message to the moment when the relay had written the last copy.
    pub delivery_seconds: Histogram,
    /// Messages that travelled as one.
    pub turn_messages: Histogram,
    /// Times that a session was not read for a while.
    pub pauses: Family<PauseLabels, Counter>,
    /// Times that a worker thread stood still for longer than two sweeps.
    pub standstills: Counter,
    /// Comings and goings that rooms have not been told yet.
    pub presence_pending: Gauge,
    /// Times that a room stopped waiting for a client.
    pub patience_exhausted: Counter,
    /// Times that a room stopped waiting for clients that take turns or come back, all of them together.
    pub room_patience_exhausted: Counter,
    pub log_lines_dropped: Counter,
    pub log_lines_suppressed: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseLabels {
    pub code: u16,
    pub reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabels {
    pub reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PauseLabels {
    pub reason: &'static str,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("worldcast");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        let r = &mut registry;
        let metrics = Self {
            sessions: register(r, "sessions", "Sessions that are open"),
            sessions_begun: register(r, "sessions_begun", "Sessions that began"),
            closes: register(r, "closes", "Sessions that ended, by code and reason"),
            refusals: register(r, "refusals", "Requests that were refused, by reason"),
            responses_cut: register(r, "responses_cut", "Responses that a client took too slowly"),
            accept_errors: register(r, "accept_errors", "Attempts to accept a client that failed"),
            messages_received: register(r, "messages_received", "Messages that clients said"),
            bytes_received: register(r, "received_bytes", "Bytes of the messages that clients said"),
            messages_sent: register(r, "messages_sent", "Messages to clients, each client counted"),
            bytes_sent: register(r, "sent_bytes", "Bytes of frames to clients"),
            outbox_bytes: register(r, "outbox_bytes", "Bytes that wait for clients"),
            in_flight_bytes: register(r, "in_flight_bytes", "Bytes between speakers and hearers"),
            idempotency_keys: register(r, "idempotency_keys", "Idempotency keys that are remembered"),
            body_bytes: register(r, "body_bytes", "Bytes of request bodies that are being read"),
            answer_bytes: register(r, "answer_bytes", "Bytes that answers about histories hold"),
            rooms: register(r, "rooms", "Rooms that have members or a history"),
            history_messages: register(r, "history_messages", "Messages that rooms remember"),
            history_bytes: register(r, "history_bytes", "Bytes that rooms remember"),
            recall_cache_bytes: register(r, "recall_cache_bytes", "Bytes of histories encoded for newcomers"),
            delivery_seconds: Histogram::new(exponential_buckets(50e-6, 2.5, 14)),
            turn_messages: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            pauses: register(r, "pauses", "Times that a session was not read for a while, by reason"),
            standstills: register(r, "standstills", "Times that a worker thread stood still"),
            presence_pending: register(r, "presence_pending", "Comings and goings that rooms are told soon"),
            patience_exhausted: register(
                r,
                "patience_exhausted",
                "Times that a room waited for a client no more",
            ),
            room_patience_exhausted: register(
                r,
                "room_patience_exhausted",
                "Times that a room waited no more for any client that takes too little",
            ),
            log_lines_dropped: register(r, "log_lines_dropped", "Log lines that the reader was too slow for"),
            log_lines_suppressed: register(
                r,
                "log_lines_suppressed",
                "Log lines about clients that were too many",
            ),
            registry: Registry::default(),
        };
        let help = "From hub to the last write of a message";
        r.register_with_unit("delivery", help, Unit::Seconds, metrics.delivery_seconds.clone());
        r.register("turn_messages", "Messages that travelled as one", metrics.turn_messages.clone());
        Self { registry, ..metrics }
    }

    /// The OpenMetrics text that Prometheus reads.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The same in the classic text format (version 0.0.4), which older programs read.
    ///
    /// # Errors
    /// None in practice: writing to memory never fails.
    pub fn classic_text(&self) -> Result<String, fmt::Error> {
        self.text().map(|text| classic(&text))
    }
}

/// Rewrites the comments of OpenMetrics: a counter is named as its samples are, an info is a gauge, units and the end have
/// no line.
fn classic(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        match line.split_once(' ').and_then(|(_, comment)| comment.split_once(' ')) {
            _ if !line.starts_with('#') => classic.extend([line, "\n"]),
            Some(("HELP", described)) => help = described,
            Some(("TYPE", typed)) => {
                let (name, kind) = typed.split_once(' ').unwrap_or((typed, "untyped"));
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                let help = help.strip_prefix(name).unwrap_or_default();
                classic.extend(["# HELP ", name, suffix, help, "\n# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            _ => {}
        }
    }
    classic
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn register<M: prometheus_client::registry::Metric + Clone + Default>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_explained_to_operators() {
        let metrics = Metrics::new().text().unwrap();
        let names: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        assert!(names.len() > 10, "{metrics}");
        for name in names.iter().filter_map(|line| line.split(' ').next()) {
            assert!(include_str!("../docs/operations.md").contains(name), "{name}");
        }
    }

    #[test]
    fn the_classic_format_names_each_metric_as_its_samples() {
        let metrics = Metrics::new();
        metrics.accept_errors.inc();
        metrics.delivery_seconds.observe(0.001);
        let classic = metrics.classic_text().unwrap();
        for lines in [
            "# TYPE worldcast_accept_errors_total counter\nworldcast_accept_errors_total 1\n",
            "# TYPE worldcast_build_info gauge\nworldcast_build_info{version=",
            "# HELP worldcast_sessions Sessions that are open.\n# TYPE worldcast_sessions gauge\n",
            "# TYPE worldcast_delivery_seconds histogram\nworldcast_delivery_seconds_sum",
        ] {
            assert!(classic.contains(lines), "{lines} in {classic}");
        }
        assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"), "{classic}");
    }

    #[test]
    fn what_is_counted_is_shown_under_its_name() {
        let metrics = Metrics::new();
        metrics.sessions.inc();
        metrics.closes.get_or_create(&CloseLabels { code: 1013, reason: "too_slow" }).inc();
        metrics.delivery_seconds.observe(0.001);
        let text = metrics.text().unwrap();
        for line in [
            "worldcast_sessions 1",
            "worldcast_closes_total{code=\"1013\",reason=\"too_slow\"} 1",
            "worldcast_delivery_seconds_count 1",
            concat!("worldcast_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
