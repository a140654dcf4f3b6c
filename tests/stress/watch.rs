//! Looks at the process while clients play: how much it holds, and what it counts.

use crate::{
    model::{Breach, Promise},
    process::Server,
    settings::{self, CLOSE_WITHIN, DRAIN},
    stage::Stage,
};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep};

/// How often.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long what is left of clients may stay.
const CLEARED_WITHIN: Duration = Duration::from_secs(5);

/// The process as nobody uses it.
pub struct AtRest {
    memory: usize,
    descriptors: Vec<String>,
}

impl AtRest {
    pub fn of(server: &Server) -> Self {
        Self { memory: server.memory(), descriptors: server.descriptors() }
    }

    /// Watches until something is wrong; never ends otherwise.
    pub async fn watches(&self, server: &Server, stage: &Stage) -> Breach {
        let mut next = interval(INTERVAL);
        loop {
            next.tick().await;
            let metrics = server.metrics().await;
            let clients = metrics.value("sessions") as usize;
            let memory = server.memory();
            let mut report = stage.report();
            report.clients_at_once = report.clients_at_once.max(clients);
            report.memory.at_rest = self.memory;
            report.memory.most = report.memory.most.max(memory);
            report.memory.bound = settings::most_memory(self.memory, report.clients_at_once);
            report.pauses = metrics.value("pauses_total");
            let bounds = [
                ("bytes of memory", memory, report.memory.bound),
                ("rooms", metrics.value("rooms") as usize, settings::ROOMS),
                ("bytes in flight", metrics.value("in_flight_bytes") as usize, settings::IN_FLIGHT + 256),
            ];
            for (what, found, most) in bounds {
                if found > most {
                    return Breach::of(Promise::BoundedMemory, "the server", format!("{most} {what}"), found);
                }
            }
        }
    }

    /// Waits until everything is as it was before anybody came.
    pub async fn is_restored(&self, server: &Server, accepted: u64) -> Result<(), Breach> {
        let until = Instant::now() + CLEARED_WITHIN;
        while let Some(left) = self.left(server).await {
            if Instant::now() > until {
                return Err(Breach::of(Promise::NothingLeft, "the server", "all as before", left));
            }
        }
        is_delivered(server, accepted).await
    }

    async fn left(&self, server: &Server) -> Option<String> {
        sleep(INTERVAL).await; // the connection that the last question was asked through is left too
        let descriptors = server.descriptors();
        if descriptors.len() > self.descriptors.len() {
            return Some(format!("{descriptors:?} instead of {:?}", self.descriptors));
        }
        let gauges = server.metrics().await.left();
        (!gauges.is_empty()).then(|| gauges.join(", "))
    }
}

/// Whether everything that the server counts as received has found its way.
pub async fn is_delivered(server: &Server, accepted: u64) -> Result<(), Breach> {
    let received = server.metrics().await.value("messages_received_total");
    if received == accepted {
        return Ok(());
    }
    let found = format!("{accepted} that anybody heard");
    Err(Breach::of(
        Promise::AcceptedIsDelivered,
        "the server",
        format!("{received} messages received"),
        found,
    ))
}

/// What the server says that it has received, for as long as it says anything.
pub async fn received_last(admin: std::net::SocketAddr) -> u64 {
    let mut received = 0;
    while let Ok(metrics) = crate::process::Metrics::read(admin).await {
        received = received.max(metrics.value("messages_received_total"));
        sleep(Duration::from_millis(20)).await;
    }
    received
}

/// How long a stop may take.
pub const STOPPED_WITHIN: Duration =
    DRAIN.saturating_add(CLOSE_WITHIN).saturating_add(Duration::from_secs(1));
