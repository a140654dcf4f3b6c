//! The limits of the server. Each file names the bounded resource, the effect at the bound, the key
//! and the metric.

mod connections; // sessions: in all, per address, per second
mod rate; // messages and bytes per second of one client
mod in_flight; // bytes of messages in flight
mod credit; // bytes in flight in one room
mod wait_debt; // time that a room waits in vain for slow clients
mod backlog; // bytes queued in all outboxes
mod source; // the client to which a share is charged
mod ledger; // shares of a bound, by source
mod pool; // shares of bytes, with a queue of waiters
mod descriptors; // file descriptors of the process

pub use backlog::{Backlog, QueueLimits};
pub use connections::{ConnectionLimits, ConnectionSlot, LimitReached};
pub use credit::{Credit, Flow};
pub use descriptors::Descriptors;
pub use in_flight::{Permit, cost, in_flight};
pub use ledger::Ledger;
pub use pool::{BODIES, MAX_PIECE, Pool, Reservation, SMALLEST_STEP, answer_bytes, body_bytes};
pub use rate::RateLimit;
pub use source::{Source, network_of};
pub use wait_debt::WaitDebt;

use crate::{config::Settings, metrics::Metrics};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The bounds that all threads of a server share.
pub struct Limits {
    /// Sessions in all, from one address, and in one second.
    pub connections: Arc<ConnectionLimits>,
    /// Bytes of messages on their way.
    pub in_flight: Arc<Semaphore>,
    /// Bytes that wait in all outboxes.
    pub backlog: Arc<Backlog>,
    /// Bytes of request bodies that are being read.
    pub bodies: Arc<Pool>,
    /// Bytes that responses about histories hold.
    pub answers: Arc<Pool>,
    /// File descriptors of the process.
    pub descriptors: Descriptors,
}

impl Limits {
    /// The limits under `settings`, with nothing in use.
    pub fn new(settings: &Settings, metrics: &Arc<Metrics>, descriptors: Descriptors) -> Self {
        Self {
            connections: ConnectionLimits::new(settings.limits.clone(), metrics.clone()),
            in_flight: in_flight(settings.limits.in_flight_bytes.bytes()),
            backlog: Arc::new(Backlog::new(settings)),
            bodies: Pool::new(body_bytes(settings), metrics.body_bytes.clone()),
            answers: Pool::new(answer_bytes(settings), metrics.answer_bytes.clone()),
            descriptors,
        }
    }
}
