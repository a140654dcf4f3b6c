//! The clock of all deadlines. It stands still while its thread does.
//!
//! A process that is stopped (SIGSTOP, `docker pause`, a virtual machine that moves) receives
//! nothing. By any other clock every client would have been silent for that time, and every
//! deadline missed. Each thread has a clock of its own. Code with a deadline reads it at least once
//! per tick, so a longer gap between two readings is a standstill of the thread.
//!
//! A standstill is a property of the thread, so the clock is a thread-local: the only one of the
//! server. An object would be one more pointer in each connection.

use futures_util::FutureExt;
use std::{
    cell::Cell,
    pin::pin,
    time::{Duration, Instant},
};
use tokio::{task::yield_now, time::error::Elapsed};

/// The time of one thread.
struct Clock {
    last_reading: Cell<Option<Instant>>,
    /// The length of a tick.
    tick: Cell<Duration>,
    /// The lag of this clock behind that of the system: the sum of all standstills.
    behind: Cell<Duration>,
    /// The part of `behind` that [`take_standstill`] has not returned yet.
    unreported: Cell<Duration>,
}

thread_local!(static CLOCK: Clock = const { Clock::new() });

/// Returns the current time of this thread's clock. Times of different threads cannot be compared.
pub fn now() -> Instant {
    CLOCK.with(|clock| clock.read(Instant::now()))
}

/// Sets the longest time between two readings of this thread's clock; code with a deadline keeps to
/// it.
pub fn ticks_every(tick: Duration) {
    CLOCK.with(|clock| clock.tick.set(tick));
}

/// Returns how long the thread stood still since the last call; `None` if it did not.
pub fn take_standstill() -> Option<Duration> {
    now();
    CLOCK.with(|clock| Some(clock.unreported.take()).filter(|standstill| !standstill.is_zero()))
}

/// Awaits `future`, as `tokio::time::timeout` does, for no longer than `within` on the clock of
/// this thread.
///
/// A process that continues after SIGSTOP sees its timers before its sockets, because the signal
/// that wakes it interrupts the wait for both. The sockets are therefore polled once more before
/// the deadline counts.
///
/// # Errors
/// [`Elapsed`] if `future` did not resolve in time.
pub async fn timeout<F: Future>(within: Duration, future: F) -> Result<F::Output, Elapsed> {
    let (began, mut future) = (now(), pin!(future));
    loop {
        let left = within.saturating_sub(now().saturating_duration_since(began));
        let tick = CLOCK.with(|clock| clock.tick.get());
        match tokio::time::timeout(left.min(tick), future.as_mut()).await {
            Ok(resolved) => return Ok(resolved),
            Err(_) if left > tick || now().saturating_duration_since(began) < within => {}
            Err(elapsed) => {
                yield_now().await; // resumes after the sockets were polled
                return future.as_mut().now_or_never().ok_or(elapsed);
            }
        }
    }
}

impl Clock {
    const fn new() -> Self {
        Self {
            last_reading: Cell::new(None),
            tick: Cell::new(Duration::from_secs(1)),
            behind: Cell::new(Duration::ZERO),
            unreported: Cell::new(Duration::ZERO),
        }
    }

    /// Returns the time of this clock when the system's clock shows `now`. A gap of more than two
    /// ticks counts as one tick, so that deadlines also expire on a thread that is always late.
    fn read(&self, now: Instant) -> Instant {
        let gap = self.last_reading.replace(Some(now)).map(|last| now.saturating_duration_since(last));
        if let Some(gap) = gap.filter(|gap| *gap > self.tick.get() * 2) {
            let standstill = gap - self.tick.get();
            self.behind.set(self.behind.get() + standstill);
            self.unreported.set(self.unreported.get() + standstill);
        }
        now.checked_sub(self.behind.get()).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::pending, thread};
    use tokio::{io::AsyncReadExt, net::UnixStream};

    const TICK: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_stands_still_while_it_is_not_read_and_continues_from_there() {
        let (clock, start) = (Clock::new(), Instant::now());
        let mut real = start;
        let mut after = |wait| {
            real += wait;
            clock.read(real) - start
        };
        assert_eq!(after(Duration::ZERO), Duration::ZERO);
        assert_eq!(after(TICK), TICK);
        assert_eq!(after(TICK * 2), TICK * 3, "late, but not by a tick");
        assert_eq!(after(TICK * 3600), TICK * 4);
        assert_eq!(after(TICK), TICK * 5);
        assert_eq!(clock.unreported.take(), TICK * 3599);
        assert_eq!(clock.unreported.take(), Duration::ZERO, "it was reported");
    }

    #[test]
    fn deadlines_expire_on_a_thread_that_is_always_late() {
        let (clock, start) = (Clock::new(), Instant::now());
        let moments = (0..100).map(|reading| clock.read(start + TICK * 10 * reading) - start);
        assert_eq!(moments.last(), Some(TICK * 99));
    }

    #[tokio::test]
    async fn a_timeout_expires_by_this_clock() {
        ticks_every(Duration::from_millis(5));
        let within = Duration::from_millis(50);
        let began = Instant::now();
        assert!(timeout(within, pending::<()>()).await.is_err());
        assert!(began.elapsed() >= within);
        assert_eq!(timeout(within, async { 7 }).await, Ok(7));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    }

    #[tokio::test]
    async fn an_event_during_a_standstill_is_not_missed() {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut byte = [0];
        let stands_still = async {
            thread::sleep(Duration::from_millis(20));
            other.try_write(b"x").unwrap();
        };
        let (read, ()) = tokio::join!(timeout(Duration::from_millis(10), one.read(&mut byte)), stands_still);
        assert_eq!(read.expect("in time").unwrap(), 1);
    }

    #[tokio::test]
    async fn a_timeout_does_not_count_a_standstill() {
        ticks_every(Duration::from_millis(5));
        let within = Duration::from_millis(50);
        let (began, mut polls) = (now(), 0);
        let standstill = std::future::poll_fn(|_| {
            polls += 1;
            if polls == 1 {
                thread::sleep(within * 3); // nothing else can happen on this thread
            }
            std::task::Poll::<()>::Pending
        });
        assert!(timeout(within, standstill).await.is_err());
        assert!(now() - began >= within, "the standstill does not count");
        assert!(take_standstill().is_some_and(|standstill| standstill > within));
    }
}
