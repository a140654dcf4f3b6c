//! A pattern for web origins, as operators list them.

use super::{
    host::Host,
    hosts::{Hosts, PatternError},
    text::FromText,
    web_origin::{WebOrigin, default_port, is_opaque, split_scheme},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::str::FromStr;

const EXPECTED_ORIGIN: &str = "an origin such as \"https://example.org\", \"https://example.org:8443\" or \
     \"https://*.example.org\", without a path, or \"null\" or \"*\"";

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
        let authority = authority.strip_suffix('/').unwrap_or(authority); // browsers show an origin with a slash
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

    /// Returns the hosts of the matching pages; `None` if the pattern names none.
    pub(super) fn hosts(&self) -> Option<&Hosts> {
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
    }
}
