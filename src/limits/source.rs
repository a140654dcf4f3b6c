//! The holder of a share of a limit.

use std::net::{IpAddr, Ipv4Addr};

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

/// Returns the address that stands for all addresses that one client can easily have: the /64 of an
/// IPv6 address, since a home gets 2^64 addresses or more (RFC 6177); and an IPv4 address itself,
/// also in its forms for IPv6 listeners (RFC 4291 §2.5.5.2, RFC 6052 §2.1).
pub fn network_of(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(ip) = ip else { return ip };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
        }
        [a, b, c, d, ..] => [a, b, c, d, 0, 0, 0, 0].into(),
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
