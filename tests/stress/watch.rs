//! Watches the memory and the metrics of the process during a run.

use crate::{
    model::{Breach, Promise, Verdict},
    process::{Metrics, Server},
    settings::{self, CLOSE_WITHIN, DRAIN},
    stage::Stage,
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::{Instant, interval, sleep};

/// The interval between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// The time within which the rest of clients must be gone.
const CLEARED_WITHIN: Duration = Duration::from_secs(5);

/// The process without clients.
pub struct AtRest {
    memory: usize,
    descriptors: Vec<String>,
}

impl AtRest {
    pub fn of(server: &Server) -> Self {
        Self { memory: server.memory(), descriptors: server.descriptors() }
    }

    /// Watches during `act`, and that nothing is left of it afterwards.
    pub async fn watches(
        &self,
        server: &Server,
        stage: &Stage,
        act: impl Future<Output = Verdict>,
    ) -> Verdict {
        tokio::select! {
            breach = self.sees_a_breach(server, stage) => Err(breach),
            verdict = act => verdict,
        }?;
        self.is_restored(server).await?;
        let accepted = stage.model().accepted;
        is_delivered(server, accepted).await
    }

    /// Looks again and again; never ends while all is well.
    async fn sees_a_breach(&self, server: &Server, stage: &Stage) -> Breach {
        let mut next = interval(INTERVAL);
        loop {
            next.tick().await;
            let metrics = server.metrics().await;
            stage.report().sees(&metrics, server.memory(), self.memory);
            let memory = stage.report().memory;
            let bounds = [
                ("bytes of memory", memory.most, memory.bound),
                ("rooms", metrics.value("rooms") as usize, settings::ROOMS),
                ("bytes that wait", memory.waiting, settings::MAX_WAITING),
                ("bytes in flight", metrics.value("in_flight_bytes") as usize, settings::IN_FLIGHT + 256),
            ];
            if let Some((what, found, most)) = bounds.into_iter().find(|(_, found, most)| found > most) {
                let expected = format!("at most {most} {what}");
                return Breach::of(Promise::BoundedMemory, "the server", expected, found);
            }
        }
    }

    /// Waits until memory and descriptors are as before the first client.
    async fn is_restored(&self, server: &Server) -> Verdict {
        let until = Instant::now() + CLEARED_WITHIN;
        while let Some(left) = self.left(server).await {
            if Instant::now() > until {
                return Err(Breach::of(Promise::NothingLeft, "the server", "all as before", left));
            }
        }
        Ok(())
    }

    async fn left(&self, server: &Server) -> Option<String> {
        // The connection that the last question was asked through is left too.
        sleep(INTERVAL).await;
        let descriptors = server.descriptors();
        if descriptors.len() > self.descriptors.len() {
            return Some(format!("{descriptors:?} instead of {:?}", self.descriptors));
        }
        let gauges = server.metrics().await.left();
        (!gauges.is_empty()).then(|| gauges.join(", "))
    }
}

/// Waits until the server has no session whose client is gone.
pub async fn notices_disconnects(server: &Server, stage: &Stage) -> Verdict {
    let until = Instant::now() + CLEARED_WITHIN;
    loop {
        let (sessions, clients) =
            (server.metrics().await.value("sessions") as usize, stage.model().clients());
        if sessions <= clients {
            return Ok(());
        }
        if Instant::now() > until {
            let expected = format!("no sessions but those of {clients} clients");
            return Err(Breach::of(Promise::NothingLeft, "the server", expected, sessions));
        }
    }
}

/// Compares the messages that the server counts as received with those of the model.
async fn is_delivered(server: &Server, accepted: u64) -> Verdict {
    let received = server.metrics().await.value("messages_received_total");
    if received == accepted {
        return Ok(());
    }
    let (expected, found) = (format!("{received} messages received"), format!("{accepted} received"));
    Err(Breach::of(Promise::AcceptedIsDelivered, "the server", expected, found))
}

/// The last count of received messages, read until the admin listener is gone.
pub async fn received_last(admin: SocketAddr) -> u64 {
    let mut received = 0;
    while let Ok(metrics) = Metrics::read(admin).await {
        received = received.max(metrics.value("messages_received_total"));
        sleep(Duration::from_millis(20)).await;
    }
    received
}

/// The time within which the server must have stopped, on a busy machine.
pub const STOPPED_WITHIN: Duration =
    DRAIN.saturating_add(CLOSE_WITHIN).saturating_add(Duration::from_secs(2));
