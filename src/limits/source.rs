//! The holder of a share of a limit.

use crate::ids::network_of;
use std::net::IpAddr;

/// Clients that share one part of a limit: those of one network without a key, or those with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    network: Option<IpAddr>,
    /// Its clients have shown a valid key.
    pub has_key: bool,
}

impl Source {
    /// The source of a client at `ip`: its IPv4 address, or its /64 of IPv6, all of whose addresses
    /// belong to one owner.
    pub fn new(ip: Option<IpAddr>, has_key: bool) -> Self {
        Self { network: ip.map(network_of), has_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ip: &str) -> Source {
        Source::new(Some(ip.parse().unwrap()), false)
    }

    #[test]
    fn all_addresses_of_one_customer_are_one_source() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
