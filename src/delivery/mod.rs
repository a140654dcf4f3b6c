//! Messages as bytes for their subscribers: encoded once for each encoding, and shared.

mod broadcast; // one message, encoded once for each encoding
mod batch; // the messages of a room as one piece
mod history_cache; // the histories of rooms, encoded

pub use batch::{Batch, Subscriber};
pub use broadcast::Broadcast;
pub use history_cache::HistoryCache;
