//! A server with its clients, as a measurement sees it.

use std::time::Duration;

/// A server with its clients, idle between its turns; or the figure of a measurement without turns.
pub trait Party {
    /// Works for `time`, and then until everything that it began is done.
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()>;

    /// The figure over all turns.
    fn figure(&mut self) -> f64;
}

/// The measurement took place when the party was opened.
impl Party for f64 {
    fn take_turn(&mut self, _: Duration) -> anyhow::Result<()> {
        Ok(())
    }

    fn figure(&mut self) -> f64 {
        *self
    }
}
