//! A pattern for hosts, as operators list them.

use super::{
    host::Host,
    hosts::{Hosts, PatternError},
    origin_pattern::OriginPattern,
    text::FromText,
    web_origin::{default_port, split_scheme},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::str::FromStr;

const EXPECTED_HOST: &str = "the name of a host such as \"chat.example\" or \"*.chat.example\", \
     without a port, or \"*\", or how browsers reach it, such as \"https://chat.example\"";

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

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText { expected: EXPECTED_HOST, parse: |text| text.parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_host_is_refused_as_a_pattern() {
        for wrong in
            ["", "a:80", "a:", "a/b", "*.*", "a b", "u@a", "https://", "https://*", "https://a/b", "app://a"]
        {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
        for good in ["*", "a", "*.a", "10.0.0.1", "https://a", "http://a:81", "https://*.a"] {
            assert!(good.parse::<HostPattern>().is_ok(), "{good}");
        }
    }
}
