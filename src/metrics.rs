//! The metrics of the server, for Prometheus. docs/operations.md explains each metric and its
//! alarming values.
//!
//! Every module imports this one, which imports none of them.

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

/// All metrics of one server. An update takes no lock, except for histograms, which are updated
/// once for many messages.
pub struct Metrics {
    registry: Registry,
    /// Open sessions.
    pub sessions: Gauge,
    /// Sessions that began.
    pub sessions_begun: Counter,
    /// Sessions that ended, by close code and reason.
    pub closes: Family<CloseLabels, Counter>,
    /// Requests that were refused, by the code in the response.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Responses to plain requests that were cut off because the client received them too slowly.
    pub responses_cut: Counter,
    /// Attempts to accept a connection that failed, for lack of descriptors or memory.
    pub accept_errors: Counter,
    /// Connections to the admin listener that were closed in favor of new ones.
    pub admin_evictions: Counter,
    /// Messages that clients published.
    pub messages_received: Counter,
    /// Bytes of the messages that clients published.
    pub bytes_received: Counter,
    /// Deliveries: each message counts once for each client that receives it.
    pub messages_sent: Counter,
    /// Bytes of frames to clients.
    pub bytes_sent: Counter,
    /// Bytes that wait in outboxes because the kernel has not accepted them.
    pub outbox_bytes: Gauge,
    /// Bytes of messages in flight from publishers to subscribers.
    pub in_flight_bytes: Gauge,
    /// Idempotency keys in memory.
    pub idempotency_keys: Gauge,
    /// Bytes of request bodies that are being read.
    pub body_bytes: Gauge,
    /// Bytes of responses about histories that are not sent yet.
    pub answer_bytes: Gauge,
    /// Responses about histories that were cut off because others waited for their bytes.
    pub answers_revoked: Counter,
    /// Rooms that have members or a history.
    pub rooms: Gauge,
    /// Messages in the histories of all rooms.
    pub history_messages: Gauge,
    /// Bytes of the messages in the histories of all rooms.
    pub history_bytes: Gauge,
    /// Admitted clients that wait for their part of a history.
    pub newcomers_waiting: Gauge,
    /// Bytes of encoded histories in the caches of all worker threads.
    pub history_cache_bytes: Gauge,
    /// Seconds from the arrival of a message at the hub to the write of its last copy by a relay.
    pub delivery_seconds: Histogram,
    /// Messages in one turn of the hub.
    pub turn_messages: Histogram,
    /// Pauses in which a session was not read (backpressure), by reason.
    pub pauses: Family<PauseLabels, Counter>,
    /// Standstills of worker threads of more than two sweeps.
    pub standstills: Counter,
    /// Changes of presence that rooms have not received yet.
    pub presence_pending: Gauge,
    /// Times that a room stopped waiting for a client.
    pub patience_exhausted: Counter,
    /// Times that a room stopped waiting for clients that take turns or reconnect, all together.
    pub room_patience_exhausted: Counter,
    /// 1 while the server of the backplane can be called; 0 while it cannot, and on a node without
    /// one.
    pub backplane_up: Gauge,
    /// Seconds from the call that publishes a batch to the reply.
    pub backplane_publish_seconds: Histogram,
    /// Messages in one batch that this node has published.
    pub backplane_batch_messages: Histogram,
    /// Connects to the server of the backplane after the first.
    pub backplane_reconnects: Counter,
    /// Holes in the order of a room that this node has filled from the history in the backplane.
    pub backplane_gaps_filled: Counter,
    /// Messages that the backplane had lost and that this node has given back.
    pub backplane_restored: Counter,
    /// Batches, newcomers and requests that wait for the backplane.
    pub backplane_waiting: Gauge,
    /// Bytes that the backplane has pushed and that the hub has not handled yet.
    pub backplane_push_bytes: Gauge,
    /// Log lines that were dropped because the log was not read in time.
    pub log_lines_dropped: Counter,
    /// Log lines about clients beyond `log.lines_per_second`.
    pub log_lines_suppressed: Counter,
}

/// The labels of [`Metrics::closes`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseLabels {
    /// The close code.
    pub code: u16,
    /// The stable name of the reason, such as `too_slow`.
    pub reason: &'static str,
}

/// The labels of [`Metrics::refusals`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabels {
    /// The stable code of the refusal, such as `origin`.
    pub reason: &'static str,
}

/// The labels of [`Metrics::pauses`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PauseLabels {
    /// The stable name of the reason: `server`, `room`, `pace` or `admission`.
    pub reason: &'static str,
}

impl Metrics {
    /// Creates and registers all metrics, at zero.
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
            responses_cut: register(r, "responses_cut", "Responses cut off because the client was too slow"),
            accept_errors: register(r, "accept_errors", "Attempts to accept a connection that failed"),
            admin_evictions: register(r, "admin_evictions", "Admin connections closed in favor of new ones"),
            messages_received: register(r, "messages_received", "Messages that clients published"),
            bytes_received: register(r, "received_bytes", "Bytes of the messages that clients published"),
            messages_sent: register(r, "messages_sent", "Deliveries: messages, once for each client"),
            bytes_sent: register(r, "sent_bytes", "Bytes of frames to clients"),
            outbox_bytes: register(r, "outbox_bytes", "Bytes that wait in outboxes"),
            in_flight_bytes: register(r, "in_flight_bytes", "Bytes of messages in flight"),
            idempotency_keys: register(r, "idempotency_keys", "Idempotency keys in memory"),
            body_bytes: register(r, "body_bytes", "Bytes of request bodies that are being read"),
            answer_bytes: register(r, "answer_bytes", "Bytes of responses about histories"),
            answers_revoked: register(r, "answers_revoked", "Responses about histories cut off for others"),
            rooms: register(r, "rooms", "Rooms that have members or a history"),
            history_messages: register(r, "history_messages", "Messages in the histories of rooms"),
            history_bytes: register(r, "history_bytes", "Bytes in the histories of rooms"),
            newcomers_waiting: register(
                r,
                "newcomers_waiting",
                "Admitted clients that wait for their part of a history",
            ),
            history_cache_bytes: register(r, "history_cache_bytes", "Bytes of encoded histories in caches"),
            delivery_seconds: Histogram::new(exponential_buckets(50e-6, 2.5, 14)),
            turn_messages: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            pauses: register(r, "pauses", "Pauses in which a session was not read, by reason"),
            standstills: register(r, "standstills", "Standstills of worker threads"),
            presence_pending: register(r, "presence_pending", "Changes of presence not delivered yet"),
            patience_exhausted: register(
                r,
                "patience_exhausted",
                "Times that a room stopped waiting for a client",
            ),
            backplane_up: register(r, "backplane_up", "1 while the server of the backplane can be called"),
            backplane_publish_seconds: Histogram::new(exponential_buckets(100e-6, 2.5, 13)),
            backplane_batch_messages: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            backplane_reconnects: register(
                r,
                "backplane_reconnects",
                "Connects to the server of the backplane after the first",
            ),
            backplane_gaps_filled: register(
                r,
                "backplane_gaps_filled",
                "Holes in the order of a room that were filled from the backplane",
            ),
            backplane_restored: register(
                r,
                "backplane_restored",
                "Messages that the backplane had lost and this node has given back",
            ),
            backplane_waiting: register(
                r,
                "backplane_waiting",
                "Batches, newcomers and requests that wait for the backplane",
            ),
            backplane_push_bytes: register(
                r,
                "backplane_push_bytes",
                "Bytes that the backplane has pushed and the hub has not handled yet",
            ),
            log_lines_dropped: register(
                r,
                "log_lines_dropped",
                "Log lines dropped because the log was not read",
            ),
            room_patience_exhausted: register(
                r,
                "room_patience_exhausted",
                "Times that a room stopped waiting for all clients that read too little",
            ),
            log_lines_suppressed: register(
                r,
                "log_lines_suppressed",
                "Log lines about clients beyond the limit",
            ),
            registry: Registry::default(),
        };
        let help = "Time from the hub to the last write of a message";
        r.register_with_unit("delivery", help, Unit::Seconds, metrics.delivery_seconds.clone());
        r.register("turn_messages", "Messages in one turn of the hub", metrics.turn_messages.clone());
        let help = "Time from the call that publishes a batch to the reply";
        r.register_with_unit(
            "backplane_publish",
            help,
            Unit::Seconds,
            metrics.backplane_publish_seconds.clone(),
        );
        let help = "Messages in one batch that this node has published";
        r.register("backplane_batch_messages", help, metrics.backplane_batch_messages.clone());
        Self { registry, ..metrics }
    }

    /// Encodes all metrics as OpenMetrics text, the format of Prometheus.
    ///
    /// # Errors
    /// None in practice: writing to memory never fails.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Encodes all metrics in the classic text format (version 0.0.4), for older programs.
    ///
    /// # Errors
    /// None in practice: writing to memory never fails.
    pub fn classic_text(&self) -> Result<String, fmt::Error> {
        self.text().map(|text| classic(&text))
    }
}

/// Rewrites the comments of OpenMetrics: a counter has the name of its samples, an info is a gauge,
/// and the lines of units and of the end are removed.
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
    fn every_count_is_shown_under_its_name() {
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
