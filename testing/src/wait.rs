//! Waiting with a deadline.

use std::{fmt::Display, future::Future, time::Duration};
use tokio::time::{sleep, timeout};

/// The deadline of everything that a test expects to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `event`.
///
/// # Panics
/// With the name of `what` did not happen, after [`PATIENCE`].
pub async fn within<T>(what: impl Display, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(happened) => happened,
        Err(_) => panic!("waited {PATIENCE:?} without success for {what}"),
    }
}

/// Waits until `is_so` returns true, asking it every 10 ms.
///
/// # Panics
/// As [`within`] does.
pub async fn eventually(what: impl Display, mut is_so: impl FnMut() -> bool) {
    let polls = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, polls).await;
}
