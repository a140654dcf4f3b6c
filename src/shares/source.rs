//! The holder of a share.

use std::net::{IpAddr, Ipv6Addr};

/// Clients that count as one: those of one network, apart from those there that show a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    network: Option<IpAddr>,
    pub has_key: bool,
}

/// The half of an IPv6 address that a provider gives to one customer (RFC 6177).
const NETWORK: u128 = !0 << 64;

impl Source {
    /// The IPv4 address, or the /64 of an IPv6 address: its owner has all addresses of it.
    pub fn new(ip: Option<IpAddr>, has_key: bool) -> Self {
        Self { network: ip.map(network), has_key }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & NETWORK).into(),
        ip => ip,
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
