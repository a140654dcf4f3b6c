//! Bounds that strangers share: how much of one each of them may hold.
//!
//! Imported by `http`, `session`, `hub` and `room`; knows neither requests nor rooms.

mod source; // who holds
mod ledger; // how much
mod pool; // bytes that can be waited for

pub use ledger::Ledger;
pub use pool::{Pool, Reservation, SMALLEST_STEP};
pub use source::{Source, network_of};
