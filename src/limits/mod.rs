//! The limits of the server. A file that begins with "Bounds" names the bounded resource, the
//! effect at the bound, the key and the metric; the others hold what several limits need.

mod connections; // sessions: in all, per address, per second
mod rate; // messages and bytes per second of one client
mod fair; // permits that sources take in turn
mod in_flight; // bytes of messages in flight
mod credit; // bytes in flight in one room
mod wait_debt; // time that a room waits in vain for slow clients
mod backlog; // bytes queued in all outboxes
mod source; // the client to which a share is charged
mod ledger; // shares of a bound, by source
mod pool; // shares of bytes, with a queue of waiters
mod descriptors; // file descriptors of the process

pub use backlog::{Backlog, QueueLimits};
pub use connections::{ConnectionBounds, ConnectionLimits, ConnectionSlot, LimitReached};
pub use credit::{Credit, Flow};
pub use descriptors::Descriptors;
pub use fair::{FairPermit, FairSemaphore};
pub use in_flight::{Permit, cost, in_flight};
pub use ledger::Ledger;
pub use pool::{BODIES, MAX_PIECE, Pool, Reservation, Revoke, SMALLEST_STEP, answer_bytes, body_bytes};
pub use rate::RateLimit;
pub use source::Source;
pub use wait_debt::{Standing, WaitDebt};

use crate::metrics::Metrics;
use std::sync::Arc;

/// The bounds that all threads of a server share.
pub struct Limits {
    /// Sessions in all, from one address, and in one second.
    pub connections: Arc<ConnectionLimits>,
    /// Bytes of messages on their way.
    pub in_flight: Arc<FairSemaphore>,
    /// Bytes that wait in all outboxes.
    pub backlog: Arc<Backlog>,
    /// Bytes of request bodies that are being read.
    pub bodies: Arc<Pool>,
    /// Bytes that responses about histories hold.
    pub answers: Arc<Pool>,
    /// File descriptors of the process.
    pub descriptors: Descriptors,
    /// The sizes of the three pools, from the start to the end.
    pub sizes: PoolSizes,
}

/// The sizes of the pools of memory that all clients share, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolSizes {
    /// Messages on their way.
    pub in_flight: usize,
    /// Request bodies that are being read.
    pub bodies: usize,
    /// Responses about histories.
    pub answers: usize,
}

impl Limits {
    /// The limits with pools of these sizes, and with nothing in use.
    pub fn new(sizes: PoolSizes, backlog: Backlog, metrics: &Arc<Metrics>, descriptors: Descriptors) -> Self {
        Self {
            connections: ConnectionLimits::new(metrics.clone()),
            in_flight: in_flight(sizes.in_flight),
            backlog: Arc::new(backlog),
            bodies: Pool::new(sizes.bodies, metrics.body_bytes.clone()),
            answers: Pool::new(sizes.answers, metrics.answer_bytes.clone()),
            descriptors,
            sizes,
        }
    }
}
