//! Bounds the messages and bytes per second that are read from one client, as plain data.
//!
//! At the bound reading pauses until the debt is paid (backpressure); nothing is lost. Keys:
//! `session.messages_per_second`, `session.bytes_per_second` and `session.burst`; 0 turns a rate
//! off. Metric: `worldcast_pauses_total{reason="pace"}`.

use std::time::{Duration, Instant};

/// Two token buckets, for messages and bytes. A bucket may go into debt: a message passes first and
/// is paid for afterwards, so that a message larger than the bucket passes too.
pub struct RateLimit {
    messages: Bucket,
    bytes: Bucket,
}

struct Bucket {
    /// Tokens per second; 0 is no limit.
    per_second: f64,
    /// The largest number of tokens.
    capacity: f64,
    /// Negative while there is a debt.
    tokens: f64,
    /// The time for which `tokens` is right.
    filled: Instant,
}

impl RateLimit {
    /// Creates full buckets, which hold the messages and bytes of the time `burst`; `None` if
    /// neither messages nor bytes are limited. A rate of 0 is no limit.
    pub fn of(
        messages_per_second: u32,
        bytes_per_second: usize,
        burst: Duration,
        now: Instant,
    ) -> Option<Self> {
        (messages_per_second > 0 || bytes_per_second > 0).then(|| Self {
            messages: Bucket::new(f64::from(messages_per_second), burst, now),
            bytes: Bucket::new(bytes_per_second as f64, burst, now),
        })
    }

    /// Counts a message of `bytes`; returns how long the client must not be read from now on.
    pub fn spend(&mut self, bytes: usize, now: Instant) -> Duration {
        self.messages.spend(1.0, now).max(self.bytes.spend(bytes as f64, now))
    }
}

impl Bucket {
    fn new(per_second: f64, burst: Duration, now: Instant) -> Self {
        let capacity = per_second * burst.as_secs_f64();
        Self { per_second, capacity, tokens: capacity, filled: now }
    }

    /// Removes `cost` tokens; returns the time until the debt is paid.
    fn spend(&mut self, cost: f64, now: Instant) -> Duration {
        if self.per_second == 0.0 {
            return Duration::ZERO;
        }
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.capacity) - cost;
        self.filled = now;
        Duration::from_secs_f64((-self.tokens / self.per_second).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_secs(2);

    fn rate_limit(messages_per_second: u32, bytes_per_second: usize, now: Instant) -> RateLimit {
        RateLimit::of(messages_per_second, bytes_per_second, BURST, now).unwrap()
    }

    #[test]
    fn without_limits_there_is_no_bucket() {
        assert!(RateLimit::of(0, 0, BURST, Instant::now()).is_none());
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate_limit = rate_limit(10, 0, start);
        let at_once = |rate_limit: &mut RateLimit, at| {
            (0..1000).take_while(|_| rate_limit.spend(1, at).is_zero()).count()
        };
        assert_eq!(at_once(&mut rate_limit, start), 20, "two seconds' worth");
        assert_eq!(
            at_once(&mut rate_limit, start + Duration::from_millis(1100)),
            10,
            "the debt is paid first"
        );
        assert_eq!(
            at_once(&mut rate_limit, start + Duration::from_secs(60)),
            20,
            "a bucket holds no more than the burst"
        );
    }

    #[test]
    fn a_message_larger_than_the_bucket_passes_and_is_paid_for() {
        let start = Instant::now();
        let mut rate_limit = rate_limit(0, 1000, start);
        assert_eq!(rate_limit.spend(12_000, start), Duration::from_secs(10));
        assert_eq!(rate_limit.spend(0, start + Duration::from_secs(10)), Duration::ZERO);
    }
}
