//! Everything that is bounded: each file begins with what it bounds, what happens at the bound, the key and the metric.

mod connections; // clients: all, of one address, of one second
mod rate; // messages and bytes a second of one client
mod in_flight; // bytes of messages on their way
mod credit; // bytes on their way in one room
mod backlog; // bytes that wait in all outboxes
mod source; // whose share is counted
mod ledger; // shares of a bound, by source
mod pool; // shares of bytes, with waiting
mod descriptors; // file descriptors of the process

pub use backlog::{Backlog, QueueLimits};
pub use connections::{ConnectionLimits, ConnectionSlot, LimitReached};
pub use credit::{Credit, Flow};
pub use descriptors::Descriptors;
pub use in_flight::{Permit, cost, in_flight};
pub use ledger::Ledger;
pub use pool::{BODIES, MAX_PIECE, Pool, Reservation, answer_bytes, body_bytes};
pub use rate::RateLimit;
pub use source::{Source, network_of};

use crate::{config::Settings, metrics::Metrics};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The bounds that all threads of a server share.
pub struct Limits {
    pub connections: Arc<ConnectionLimits>,
    /// Bytes of messages on their way.
    pub in_flight: Arc<Semaphore>,
    /// Bytes that wait in all outboxes.
    pub backlog: Arc<Backlog>,
    /// Bytes of request bodies that are being read.
    pub bodies: Arc<Pool>,
    /// Bytes that responses about histories hold.
    pub answers: Arc<Pool>,
    pub descriptors: Descriptors,
}

impl Limits {
    pub fn new(settings: &Settings, metrics: &Arc<Metrics>, descriptors: Descriptors) -> Self {
        Self {
            connections: ConnectionLimits::new(settings.limits.clone(), metrics.clone()),
            in_flight: in_flight(settings.limits.in_flight_bytes.bytes()),
            backlog: Arc::new(Backlog::new(settings, metrics.clone())),
            bodies: Pool::new(body_bytes(settings), metrics.body_bytes.clone()),
            answers: Pool::new(answer_bytes(settings), metrics.answer_bytes.clone()),
            descriptors,
        }
    }
}
