//! The host of a URL, as clients send it.

use std::net::IpAddr;

/// The host of a URL.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// An IP address; an IPv4 address that is mapped into IPv6 is an IPv4 address.
    Address(IpAddr),
    /// An ASCII name, without a trailing dot.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Parses the host and the port of an authority without user information (RFC 3986 §3.2);
    /// `None` if it is none.
    pub fn with_port(authority: &'a str) -> Option<(Self, Option<u16>)> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                (Self::Address(IpAddr::from(address).to_canonical()), port)
            }
            None => {
                let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                (Self::unbracketed(host)?, port)
            }
        };
        match port.strip_prefix(':') {
            None if port.is_empty() => Some((host, None)),
            Some("") => Some((host, None)),
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some((host, Some(digits.parse().ok()?)))
            }
            _ => None,
        }
    }

    fn unbracketed(host: &'a str) -> Option<Self> {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let name = host.strip_suffix('.').unwrap_or(host);
        match name.parse::<std::net::Ipv4Addr>() {
            Ok(address) => Some(Self::Address(address.into())),
            Err(_) => name.split('.').all(is_label).then_some(Self::Name(name)),
        }
    }

    /// Returns true for hosts that never leave the machine: `localhost` and its subdomains (RFC
    /// 6761 §6.3), 127/8 and ::1.
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => is_below(name, "localhost") || name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Returns true for hosts that no public DNS entry can direct to this server: addresses, names
    /// without a dot, and subdomains of names that public DNS does not serve.
    pub fn is_local(self) -> bool {
        const DOMAINS: [&str; 5] = ["local", "internal", "home.arpa", "lan", "localdomain"];
        match self {
            Self::Address(_) => true,
            Self::Name(name) => !name.contains('.') || DOMAINS.iter().any(|domain| is_below(name, domain)),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(a), Self::Address(b)) => a == b,
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        }
    }
}

/// Returns true if `name` is a subdomain of `domain`, at any depth.
pub(super) fn is_below(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len()).filter(|at| *at >= 2) else { return false };
    name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(domain) && name.as_bytes()[at - 1] == b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_local_hosts_differ_from_public_ones() {
        let host = |authority| Host::with_port(authority).unwrap().0;
        for own in
            ["localhost", "LOCALHOST.", "a.localhost:80", "127.8.8.8", "[::1]:80", "[::ffff:127.0.0.1]"]
        {
            assert!(host(own).is_loopback(), "{own}");
        }
        for near in ["10.0.0.1", "[fe80::1]:80", "box", "box.local", "box.home.arpa."] {
            assert!(host(near).is_local() && !host(near).is_loopback(), "{near}");
        }
        for far in ["box.example", "local.example", "notlocalhost.example", "127.0.0.1.evil.example", "127.1"]
        {
            assert!(!host(far).is_local() && !host(far).is_loopback(), "{far}");
        }
        for nothing in
            ["", ":80", "a..b", "a:x", "a:1:2", "[::1", "[::1]x", "::1", "a@b", "b\u{fc}cher", "a b"]
        {
            assert!(Host::with_port(nothing).is_none(), "{nothing}");
        }
    }
}
