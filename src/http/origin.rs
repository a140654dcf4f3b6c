//! Which web pages may connect, and under which names the server answers, as plain data.
//!
//! Any page of the web may open a WebSocket to any address its visitor can reach, and send the
//! visitor's cookies along: only the server can refuse (RFC 6455 §10.2).

use actix_web::http::uri::{Authority, Uri};
use std::net::{IpAddr, SocketAddr};

pub struct Origins {
    allowed: Vec<Uri>,
    everyone: bool,
    /// The ports of our listeners.
    ports: Vec<u16>,
}

impl Origins {
    pub fn new(allowed: &[String], listeners: &[SocketAddr]) -> Self {
        Self {
            allowed: allowed.iter().filter_map(|origin| origin.parse().ok()).collect(),
            everyone: allowed.iter().any(|origin| origin == "*"),
            ports: listeners.iter().map(SocketAddr::port).collect(),
        }
    }

    /// Whether a page of `origin` may talk to a server that it calls `host`: if it came from there,
    /// or from another of our listeners, or from a development server on the same machine, or if it
    /// is listed.
    pub fn allows(&self, origin: &str, host: &str) -> bool {
        if self.everyone {
            return true;
        }
        let (Ok(origin), Ok(host)) = (origin.parse::<Uri>(), host.parse::<Authority>()) else { return false };
        let Some(name) = origin.host() else { return false };
        let ours = name.eq_ignore_ascii_case(host.host())
            && (port(&origin) == host.port_u16().or(default_port(&origin))
                || port(&origin).is_some_and(|port| self.ports.contains(&port)));
        ours || is_loopback(name) && is_loopback(host.host()) || self.lists(&origin)
    }

    /// Whether a listener on loopback answers to `host`. A name that is not loopback's was made to
    /// point here by somebody else (DNS rebinding), or by a proxy whose page is listed.
    pub fn answers_to(&self, host: &str) -> bool {
        let Ok(host) = host.parse::<Authority>() else { return false };
        let listed = |origin: &Uri| origin.host().is_some_and(|name| name.eq_ignore_ascii_case(host.host()));
        self.everyone || is_loopback(host.host()) || self.allowed.iter().any(listed)
    }

    fn lists(&self, origin: &Uri) -> bool {
        let same_host = |other: &Uri| match (other.host(), origin.host()) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        let same = |other: &Uri| {
            other.scheme() == origin.scheme() && same_host(other) && port(other) == port(origin)
        };
        self.allowed.iter().any(same)
    }
}

fn port(origin: &Uri) -> Option<u16> {
    origin.port_u16().or(default_port(origin))
}

fn default_port(origin: &Uri) -> Option<u16> {
    match origin.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    }
}

/// `localhost`, and the addresses that never leave the machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(allowed: &[&str]) -> Origins {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Origins::new(&allowed, &["0.0.0.0:3000".parse().unwrap(), "0.0.0.0:8080".parse().unwrap()])
    }

    #[test]
    fn our_own_page_may_connect() {
        let origins = origins(&[]);
        assert!(origins.allows("http://example.org:8080", "example.org:8080"));
        assert!(origins.allows("http://EXAMPLE.org:3000", "example.org:8080"), "from another listener");
        assert!(origins.allows("https://example.org", "example.org"), "behind a proxy that ends TLS");
        assert!(origins.allows("https://example.org", "example.org:443"));
    }

    #[test]
    fn a_page_from_elsewhere_may_not() {
        let origins = origins(&[]);
        for origin in [
            "https://evil.example",
            "https://example.org.evil.example",
            "https://example.org:9999",
            "http://localhost:3000",
            "null",
            "",
            "http://",
            "not an origin",
        ] {
            assert!(!origins.allows(origin, "example.org:8080"), "{origin}");
        }
    }

    #[test]
    fn a_development_server_on_the_same_machine_may_connect() {
        let origins = origins(&[]);
        assert!(origins.allows("http://localhost:5173", "127.0.0.1:8080"));
        assert!(origins.allows("http://[::1]:5173", "localhost:8080"));
        assert!(!origins.allows("http://localhost.evil.example", "localhost:8080"));
        assert!(!origins.allows("http://127.0.0.1.evil.example", "localhost:8080"));
    }

    #[test]
    fn a_listed_page_may_connect_to_the_letter() {
        let listed = origins(&["https://app.example", "http://other.example:81"]);
        assert!(listed.allows("https://app.example", "api.example"));
        assert!(listed.allows("https://app.example:443", "api.example"));
        assert!(listed.allows("http://other.example:81", "api.example"));
        assert!(!listed.allows("http://app.example", "api.example"));
        assert!(!listed.allows("https://app.example:8443", "api.example"));
        assert!(origins(&["*"]).allows("null", "api.example"));
    }

    #[test]
    fn loopback_answers_to_its_own_names_only() {
        let origins = origins(&["https://chat.example"]);
        for host in
            ["localhost:8080", "LOCALHOST", "127.0.0.1:8080", "127.8.8.8", "[::1]:8080", "chat.example"]
        {
            assert!(origins.answers_to(host), "{host}");
        }
        for host in ["rebound.example:8080", "localhost.evil.example", "", "10.0.0.1:8080", "a b"] {
            assert!(!origins.answers_to(host), "{host}");
        }
    }
}
