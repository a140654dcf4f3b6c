//! Bounds the sessions that are open: in all, from one address, and begun in one second.
//!
//! At a bound the opening handshake is refused: with 503 for all sessions and for one second, with
//! 429 for one address; 0 turns off the latter two. Keys: `limits.connections`,
//! `limits.connections_per_ip` and `limits.connections_per_second`. Metrics: `worldcast_sessions`
//! and `worldcast_refusals_total`, whose reasons have the names of the keys.

use crate::{ids::network_of, metrics::Metrics};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The bounds of open sessions, inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnectionBounds {
    /// Sessions that may be open at once.
    pub all: usize,
    /// Sessions that may be open at once from one address; 0 is no limit.
    pub per_ip: usize,
    /// Sessions that may begin in one second; 0 is no limit.
    pub per_second: u32,
}

/// The counts of open sessions.
pub struct ConnectionLimits {
    metrics: Arc<Metrics>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Connections of all addresses.
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
    /// The beginning of the second in which sessions are counted.
    second_began: Option<Instant>,
    /// Sessions that began in that second.
    in_second: u32,
}

/// The limit that refuses a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LimitReached {
    /// `limits.connections`
    Connections,
    /// `limits.connections_per_ip`
    ConnectionsPerIp,
    /// `limits.connections_per_second`
    ConnectionsPerSecond,
}

/// The slot of one session; its drop frees the slot, and nothing else does, so that none is lost or
/// freed twice.
pub struct ConnectionSlot {
    limits: Arc<ConnectionLimits>,
    ip: Option<IpAddr>,
}

impl ConnectionLimits {
    /// Creates the counts, with no session open.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { metrics, counts: Mutex::default() })
    }

    /// Acquires a slot within `bounds` for a session from `ip`; without an address, the bound of
    /// one address does not apply. Sessions that begin while that bound is 0 are not counted for
    /// their address, also later.
    ///
    /// # Errors
    /// Returns the first limit that is reached.
    pub fn acquire(
        self: &Arc<Self>,
        bounds: ConnectionBounds,
        ip: Option<IpAddr>,
        now: Instant,
    ) -> Result<ConnectionSlot, LimitReached> {
        let ip = ip.filter(|_| bounds.per_ip > 0).map(network_of);
        self.counts().acquire(ip, now, bounds)?;
        self.metrics.sessions.inc();
        Ok(ConnectionSlot { limits: self.clone(), ip })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn acquire(
        &mut self,
        ip: Option<IpAddr>,
        now: Instant,
        bounds: ConnectionBounds,
    ) -> Result<(), LimitReached> {
        if self.all >= bounds.all {
            return Err(LimitReached::Connections);
        }
        if ip.is_some_and(|ip| self.by_ip.get(&ip).is_some_and(|count| *count >= bounds.per_ip)) {
            return Err(LimitReached::ConnectionsPerIp);
        }
        self.count_second(now, bounds.per_second)?;
        self.all += 1;
        if let Some(ip) = ip {
            *self.by_ip.entry(ip).or_default() += 1;
        }
        Ok(())
    }

    fn count_second(&mut self, now: Instant, max: u32) -> Result<(), LimitReached> {
        if max == 0 {
            return Ok(());
        }
        if self.second_began.is_none_or(|began| now.saturating_duration_since(began).as_secs() >= 1) {
            self.second_began = Some(now);
            self.in_second = 0;
        }
        if self.in_second >= max {
            return Err(LimitReached::ConnectionsPerSecond);
        }
        self.in_second += 1;
        Ok(())
    }

    fn leave(&mut self, ip: Option<IpAddr>) {
        self.all -= 1;
        let Some(ip) = ip else { return };
        if let Some(count) = self.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.limits.counts().leave(self.ip);
        self.limits.metrics.sessions.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const IP: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    const NO_BOUNDS: ConnectionBounds = ConnectionBounds { all: usize::MAX, per_ip: 0, per_second: 0 };

    fn limits() -> Arc<ConnectionLimits> {
        ConnectionLimits::new(Arc::default())
    }

    #[test]
    fn a_slot_is_free_again_when_its_session_has_ended() {
        let (limits, bounds) = (limits(), ConnectionBounds { all: 2, ..NO_BOUNDS });
        let now = Instant::now();
        let first = limits.acquire(bounds, IP, now).unwrap();
        let _second = limits.acquire(bounds, None, now).unwrap();
        assert_eq!(limits.acquire(bounds, IP, now).err(), Some(LimitReached::Connections));
        assert_eq!(limits.metrics.sessions.get(), 2);
        drop(first);
        assert!(limits.acquire(bounds, IP, now).is_ok());
        assert_eq!(limits.metrics.sessions.get(), 1);
    }

    #[test]
    fn one_address_has_no_more_sessions_than_its_limit() {
        let (limits, bounds) = (limits(), ConnectionBounds { per_ip: 1, ..NO_BOUNDS });
        let now = Instant::now();
        let slot = limits.acquire(bounds, IP, now).unwrap();
        assert_eq!(limits.acquire(bounds, IP, now).err(), Some(LimitReached::ConnectionsPerIp));
        assert!(limits.acquire(bounds, Some([10, 0, 0, 1].into()), now).is_ok());
        drop(slot);
        assert!(limits.counts().by_ip.is_empty(), "an address without sessions is not kept");
        assert!(limits.acquire(bounds, IP, now).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_an_ipv4_address_is_one_client_in_every_notation() {
        let client = |ip: &str| network_of(ip.parse().unwrap()).to_string();
        for ip in ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"] {
            assert_eq!(client(ip), "2001:db8:1:2::");
        }
        assert_eq!(client("2001:db8:1:3::1"), "2001:db8:1:3::");
        for ip in ["192.0.2.7", "::ffff:192.0.2.7", "64:ff9b::192.0.2.7"] {
            assert_eq!(client(ip), "192.0.2.7");
        }
        let (limits, bounds) = (limits(), ConnectionBounds { per_ip: 1, ..NO_BOUNDS });
        let acquire = |ip: &str| limits.acquire(bounds, Some(ip.parse().unwrap()), Instant::now());
        let _one = acquire("2001:db8::1").unwrap();
        assert_eq!(acquire("2001:db8::2").err(), Some(LimitReached::ConnectionsPerIp));
        let _other = acquire("::ffff:192.0.2.7").unwrap();
        assert_eq!(acquire("192.0.2.7").err(), Some(LimitReached::ConnectionsPerIp));
    }

    #[test]
    fn sessions_beyond_the_limit_of_a_second_begin_in_the_next_one() {
        let (limits, bounds) = (limits(), ConnectionBounds { per_second: 2, ..NO_BOUNDS });
        let now = Instant::now();
        let slots: Vec<_> = (0..2).map(|_| limits.acquire(bounds, IP, now)).collect();
        assert!(slots.iter().all(Result::is_ok));
        assert_eq!(limits.acquire(bounds, IP, now).err(), Some(LimitReached::ConnectionsPerSecond));
        assert!(limits.acquire(bounds, IP, now + Duration::from_secs(1)).is_ok());
    }
}
