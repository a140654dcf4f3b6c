//! The limits of the server. Each file names the bounded resource, the effect at the bound, the key
//! and the metric.

mod connections; // sessions: in all, per address, per second
mod rate; // messages and bytes per second of one client
mod in_flight; // bytes of messages in flight
mod credit; // bytes in flight in one room
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
pub use pool::{Pool, Reservation};
pub use rate::RateLimit;
pub use source::{Source, network_of};
