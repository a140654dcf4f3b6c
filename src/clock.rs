//! The clock that deadlines count by: it stands still while its thread does.
//!
//! A process that is stopped (SIGSTOP, `docker pause`, a virtual machine that moves) hears nobody. By any other clock all
//! clients were silent for that time, and all of them late. Each thread has its own clock, and it alone can tell: whoever
//! has a deadline reads the clock at least once per tick, so a longer gap between two readings is time that nobody lived.

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
    /// How far the clock is behind that of the system.
    behind: Cell<Duration>,
    /// What of it nobody has asked for yet.
    unreported: Cell<Duration>,
}

thread_local!(static CLOCK: Clock = const { Clock::new() });

/// The moment it is on this thread; moments of different threads cannot be compared.
pub fn now() -> Instant {
    CLOCK.with(|clock| clock.read(Instant::now()))
}

/// Promises that this thread reads the clock at least once in `tick`.
pub fn ticks_every(tick: Duration) {
    CLOCK.with(|clock| clock.tick.set(tick));
}

/// How long the thread stood still since this was asked before; `None` when it did not.
pub fn take_standstill() -> Option<Duration> {
    now();
    CLOCK.with(|clock| Some(clock.unreported.take()).filter(|standstill| !standstill.is_zero()))
}

/// Waits for `future`, as `tokio::time::timeout` does, for no more than `within` on the clock of this thread.
///
/// A process that goes on after SIGSTOP sees its timers before its sockets, since the signal that wakes it interrupts the
/// wait for both. So the sockets are looked at once more before a deadline counts.
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
                yield_now().await; // resumes after the sockets were looked at
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

    /// A gap of more than two ticks counts as one: so a deadline comes on a thread that is only ever late, too.
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
    fn the_clock_stands_still_while_nobody_reads_it_and_goes_on_from_there() {
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
        assert_eq!(clock.unreported.take(), Duration::ZERO, "it was asked for");
    }

    #[test]
    fn deadlines_come_on_a_thread_that_is_always_late() {
        let (clock, start) = (Clock::new(), Instant::now());
        let moments = (0..100).map(|reading| clock.read(start + TICK * 10 * reading) - start);
        assert_eq!(moments.last(), Some(TICK * 99));
    }

    #[tokio::test]
    async fn a_wait_ends_when_its_time_has_passed_on_this_clock() {
        ticks_every(Duration::from_millis(5));
        let within = Duration::from_millis(50);
        let began = Instant::now();
        assert!(timeout(within, pending::<()>()).await.is_err());
        assert!(began.elapsed() >= within);
        assert_eq!(timeout(within, async { 7 }).await, Ok(7));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    }

    #[tokio::test]
    async fn an_event_that_happened_in_a_standstill_is_seen() {
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
    async fn a_wait_goes_on_after_a_standstill() {
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
