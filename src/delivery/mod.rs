//! Messages as the bytes that subscribers receive: encoded once, shared by all of them.

mod broadcast; // one message, once for each encoding
mod batch; // the messages of a room as one piece
mod history_cache; // the histories of rooms, encoded

pub use batch::{Batch, Subscriber};
pub use broadcast::Broadcast;
pub use history_cache::HistoryCache;
