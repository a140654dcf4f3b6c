//! The hosts that a pattern of the configuration matches.

use super::host::{Host, is_below};
use std::net::IpAddr;

/// The hosts that a pattern matches.
#[derive(Clone, Debug, PartialEq)]
pub enum Hosts {
    /// Every host.
    Any,
    /// This address.
    Address(IpAddr),
    /// This name.
    Name(String),
    /// All subdomains of this name.
    Below(String),
}

impl Hosts {
    /// Parses a pattern other than `*`. Names in Unicode are converted to the form that browsers
    /// send (RFC 5891, "xn--").
    pub fn parse(text: &str) -> Option<Self> {
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
    pub fn has(&self, host: Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Address(address), Host::Address(other)) => *address == other,
            (Self::Name(name), Host::Name(other)) => name.eq_ignore_ascii_case(other),
            (Self::Below(domain), Host::Name(other)) => is_below(other, domain),
            _ => false,
        }
    }
}

/// The error for a text that is no pattern; contains the expected form.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("expected {0}")]
pub struct PatternError(pub(super) &'static str);
