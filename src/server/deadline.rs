//! Deadlines that count only the time in which this thread could notice what it waits for.

use futures_util::FutureExt;
use std::{pin::pin, time::Duration};
use tokio::{
    task::yield_now,
    time::{Instant, error::Elapsed, timeout_at},
};

/// A deadline that is noticed this much late was passed in a standstill.
const STANDSTILL: Duration = Duration::from_millis(250);

/// Waits for `event`, at most for the time `limit`.
///
/// A process that stood still (SIGSTOP, a virtual machine that moved) sees its timers before its sockets, since the
/// signal that wakes it interrupts the wait for both. So the sockets are looked at once more; and after a standstill,
/// in which nothing could be received, the time begins anew.
///
/// # Errors
/// [`Elapsed`] if `event` did not happen in time.
pub async fn within<T>(limit: Duration, event: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut event = pin!(event);
    loop {
        let deadline = Instant::now() + limit;
        let elapsed = match timeout_at(deadline, event.as_mut()).await {
            Ok(happened) => return Ok(happened),
            Err(elapsed) => elapsed,
        };
        let late = deadline.elapsed();
        yield_now().await; // resumes after the sockets were looked at
        match event.as_mut().now_or_never() {
            Some(happened) => return Ok(happened),
            None if late < STANDSTILL => return Err(elapsed),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::pending, thread};
    use tokio::{io::AsyncReadExt, net::UnixStream};

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn an_event_that_never_comes_ends_at_its_deadline() {
        assert!(within(LIMIT, pending::<()>()).await.is_err());
    }

    #[tokio::test]
    async fn a_standstill_does_not_count() {
        let began = Instant::now();
        let mut first = true;
        let waits = std::future::poll_fn(|_| {
            if std::mem::take(&mut first) {
                thread::sleep(LIMIT + STANDSTILL); // this thread stands still
            }
            std::task::Poll::<()>::Pending
        });
        assert!(within(LIMIT, waits).await.is_err());
        assert!(began.elapsed() >= LIMIT + STANDSTILL + LIMIT, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn an_event_that_happened_in_a_standstill_is_seen() {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut byte = [0];
        let reads = one.read(&mut byte);
        let stands_still = async {
            thread::sleep(LIMIT * 2);
            other.try_write(b"x").unwrap();
        };
        let (read, ()) = tokio::join!(within(LIMIT, reads), stands_still);
        assert_eq!(read.expect("in time").unwrap(), 1);
    }
}
