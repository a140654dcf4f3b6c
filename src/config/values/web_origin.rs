//! Hosts and web origins, as clients send them, and patterns for them, as operators list them.

use super::text::FromText;
use serde::{Deserialize, Deserializer, Serialize};
use std::{net::IpAddr, str::FromStr};

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
fn is_below(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len()).filter(|at| *at >= 2) else { return false };
    name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(domain) && name.as_bytes()[at - 1] == b'.'
}

/// The value of the header `Origin` (RFC 6454 §7).
#[derive(Clone, Copy, Debug)]
pub enum WebOrigin<'a> {
    /// `null` for files and sandboxes, or `file://` of some browsers; two equal values may be
    /// different pages.
    Opaque(&'a str),
    /// The origin of a page.
    Page {
        /// The scheme, such as `https`.
        scheme: &'a str,
        /// The host.
        host: Host<'a>,
        /// The port, or the default port of the scheme; `None` if the scheme has none.
        port: Option<u16>,
    },
}

impl<'a> WebOrigin<'a> {
    /// Parses the header's value; `None` if it is no origin.
    pub fn parse(origin: &'a str) -> Option<Self> {
        if is_opaque(origin) {
            return Some(Self::Opaque(origin));
        }
        let (scheme, authority) = split_scheme(origin)?;
        let (host, port) = Host::with_port(authority)?;
        Some(Self::Page { scheme, host, port: port.or(default_port(scheme)) })
    }
}

fn is_opaque(origin: &str) -> bool {
    ["null", "file://"].contains(&origin)
}

/// Splits a scheme (RFC 3986 §3.1), which may be that of an app or an extension, from the rest
/// after `://`.
fn split_scheme(origin: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// Returns the port of a URL of this scheme that names none.
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
        scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ => None,
    }
}

/// A pattern for hosts, kept as it is written: `chat.example`, `*.chat.example`, `192.0.2.1`, or
/// `*`. With a scheme, as in `https://chat.example`, it states how browsers reach the server there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct HostPattern {
    text: String,
    hosts: Hosts,
    /// The pages of this server there, where their scheme is listed.
    own_pages: Option<OriginPattern>,
}

#[derive(Clone, Debug, PartialEq)]
enum Hosts {
    Any,
    Address(IpAddr),
    Name(String),
    /// All subdomains of this name.
    Below(String),
}

impl Hosts {
    /// Parses a pattern other than `*`. Names in Unicode are converted to the form that browsers
    /// send (RFC 5891, "xn--").
    fn parse(text: &str) -> Option<Self> {
        let (text, is_wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let ascii = if text.is_ascii() { text.to_owned() } else { idna::domain_to_ascii(text).ok()? };
        match (Host::with_port(&ascii).filter(|_| !ascii.ends_with(':'))?, is_wildcard) {
            ((Host::Address(address), None), false) => Some(Self::Address(address)),
            ((Host::Name(name), None), false) => Some(Self::Name(name.to_owned())),
            ((Host::Name(name), None), true) => Some(Self::Below(name.to_owned())),
            _ => None,
        }
    }

    /// Returns true if `host` matches.
    fn has(&self, host: Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Address(address), Host::Address(other)) => *address == other,
            (Self::Name(name), Host::Name(other)) => name.eq_ignore_ascii_case(other),
            (Self::Below(domain), Host::Name(other)) => is_below(other, domain),
            _ => false,
        }
    }
}

impl HostPattern {
    /// Returns true if `host` matches.
    pub fn has(&self, host: Host) -> bool {
        self.hosts.has(host)
    }

    /// The pages of this server at the listed hosts; `None` where only the hosts are listed.
    pub fn own_pages(&self) -> Option<&OriginPattern> {
        self.own_pages.as_ref()
    }
}

/// The error for a text that is no pattern; contains the expected form.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("expected {0}")]
pub struct PatternError(&'static str);

const EXPECTED_HOST: &str = "the name of a host such as \"chat.example\" or \"*.chat.example\", without a port, or \"*\", or how browsers \
     reach it, such as \"https://chat.example\"";

const EXPECTED_ORIGIN: &str = "an origin such as \"https://example.org\", \"https://example.org:8443\" or \
     \"https://*.example.org\", without a path, or \"null\" or \"*\"";

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (hosts, own_pages) = match split_scheme(text) {
            None if text == "*" => (Some(Hosts::Any), None),
            None => (Hosts::parse(text), None),
            Some((scheme, _)) => {
                let pages = text.parse::<OriginPattern>().ok().filter(|_| default_port(scheme).is_some());
                (pages.as_ref().and_then(OriginPattern::hosts).cloned(), pages)
            }
        };
        let hosts = hosts.ok_or(PatternError(EXPECTED_HOST))?;
        Ok(Self { text: text.to_owned(), hosts, own_pages })
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.text
    }
}

/// A pattern for web origins, kept as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct OriginPattern {
    text: String,
    origins: Origins,
}

#[derive(Clone, Debug, PartialEq)]
enum Origins {
    Any,
    Opaque,
    Pages { scheme: String, hosts: Hosts, port: Option<u16> },
}

impl Origins {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => return Some(Self::Any),
            text if is_opaque(text) => return Some(Self::Opaque),
            _ => {}
        }
        let (scheme, authority) = split_scheme(text)?;
        // Browsers show an origin with a slash.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let digits = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let (host, port) = match digits {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => {
                (host, Some(port.parse().ok()?))
            }
            Some(_) => return None,
            None => (authority, None),
        };
        let hosts = Hosts::parse(host)?;
        Some(Self::Pages { scheme: scheme.to_ascii_lowercase(), hosts, port: port.or(default_port(scheme)) })
    }
}

impl OriginPattern {
    /// Returns true for `*`, which matches every origin.
    pub fn is_any(&self) -> bool {
        self.origins == Origins::Any
    }

    /// Returns true for `null` and `file://`, the origins of files and sandboxes.
    pub fn is_opaque(&self) -> bool {
        self.origins == Origins::Opaque
    }

    /// Returns true if `origin` matches.
    pub fn has(&self, origin: WebOrigin) -> bool {
        match (&self.origins, origin) {
            (Origins::Any, _) => true,
            (Origins::Opaque, WebOrigin::Opaque(other)) => self.text == other,
            (
                Origins::Pages { scheme, hosts, port },
                WebOrigin::Page { scheme: other, host, port: others },
            ) => scheme.eq_ignore_ascii_case(other) && hosts.has(host) && *port == others,
            _ => false,
        }
    }

    fn hosts(&self) -> Option<&Hosts> {
        match &self.origins {
            Origins::Pages { hosts, .. } => Some(hosts),
            Origins::Any | Origins::Opaque => None,
        }
    }

    /// Returns true if the pattern matches pages of `host` with some scheme and port.
    pub fn names(&self, host: Host) -> bool {
        self.hosts().is_some_and(|hosts| hosts.has(host))
    }
}

impl FromStr for OriginPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let origins = Origins::parse(text).ok_or(PatternError(EXPECTED_ORIGIN))?;
        Ok(Self { text: text.to_owned(), origins })
    }
}

impl From<OriginPattern> for String {
    fn from(pattern: OriginPattern) -> Self {
        pattern.text
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText { expected: EXPECTED_HOST, parse: |text| text.parse().ok() })
    }
}

impl<'de> Deserialize<'de> for OriginPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText { expected: EXPECTED_ORIGIN, parse: |text| text.parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(pattern: &str, origin: &str) -> bool {
        let pattern: OriginPattern = pattern.parse().unwrap();
        WebOrigin::parse(origin).is_some_and(|origin| pattern.has(origin))
    }

    #[test]
    fn a_listed_origin_matches_its_own_scheme_host_and_port_only() {
        for (pattern, same) in [
            ("https://chat.example", "https://chat.example"),
            ("https://chat.example/", "https://CHAT.example"),
            ("https://chat.example:443", "https://chat.example"),
            ("http://chat.example:81", "http://chat.example:81"),
            ("https://*.chat.example", "https://a.b.chat.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://*.bücher.example", "https://a.xn--bcher-kva.example"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
            ("http://[::1]:5173", "http://[::1]:5173"),
            ("null", "null"),
            ("*", "null"),
        ] {
            assert!(lists(pattern, same), "{pattern} {same}");
        }
        for (pattern, other) in [
            ("https://chat.example", "http://chat.example"),
            ("https://chat.example", "https://chat.example:18080"),
            ("https://chat.example", "https://a.chat.example"),
            ("https://*.chat.example", "https://chat.example"),
            ("https://*.chat.example", "https://evilchat.example"),
            ("https://*.chat.example", "https://.chat.example"),
            ("https://chat.example", "https://chat.example.evil.example"),
            ("https://chat.example", "https://user@chat.example"),
            ("https://chat.example", "null"),
            ("null", "file://"),
            ("capacitor://localhost", "tauri://localhost"),
        ] {
            assert!(!lists(pattern, other), "{pattern} {other}");
        }
    }

    #[test]
    fn a_text_that_is_no_origin_is_refused_as_a_pattern() {
        for wrong in [
            "",
            "chat.example",
            "https://",
            "https:///",
            "https://a/b",
            "https://a b",
            "https://a?b",
            "https://u@a",
            "https://a:b",
            "https://a:99999",
            "https://*",
            "https://*.",
            "https://a.*.b",
            "https://**.a",
            "https://*.10.0.0.1:80",
            "://a",
        ] {
            assert!(wrong.parse::<OriginPattern>().is_err(), "{wrong}");
        }
        for wrong in
            ["", "a:80", "a:", "a/b", "*.*", "a b", "u@a", "https://", "https://*", "https://a/b", "app://a"]
        {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
        for good in ["*", "a", "*.a", "10.0.0.1", "https://a", "http://a:81", "https://*.a"] {
            assert!(good.parse::<HostPattern>().is_ok(), "{good}");
        }
    }

    #[test]
    fn loopback_and_local_hosts_are_told_from_public_ones() {
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
