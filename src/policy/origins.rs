//! The origins whose pages may connect, and the names to which the server answers.
//!
//! Any page of the web may open a WebSocket to any address that its visitor can reach, and the
//! browser sends the visitor's cookies along: only the server can refuse it (RFC 6455 §10.2).
//! And a page can make a name of its own point to an address of its visitor's network (DNS
//! rebinding): then the page is of the same origin as the server, and only the name in `Host`
//! shows the attack.

use crate::config::{Host, HostPattern, OriginPattern, OriginSettings, WebOrigin, default_port};
use std::net::IpAddr;

/// The rules of `[origins]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Origins {
    allowed: Vec<OriginPattern>,
    hosts: Vec<HostPattern>,
    everyone: bool,
}

impl Origins {
    /// The rules as they are used.
    pub fn new(settings: &OriginSettings) -> Self {
        let OriginSettings { allowed, hosts } = settings.clone();
        Self { everyone: allowed.iter().any(OriginPattern::is_any), allowed, hosts }
    }

    /// Returns true if `*` is listed: the pages of every origin may connect.
    pub fn allow_everyone(&self) -> bool {
        self.everyone
    }

    /// Returns true if `null` or `file://` is listed, an origin that any page can have in a
    /// sandbox.
    pub fn allow_opaque(&self) -> bool {
        self.allowed.iter().any(OriginPattern::is_opaque)
    }

    /// Returns true if a page of `origin` may connect to a server that it calls `host`, and whose
    /// listeners have these `ports`: if the origin is listed, if it is the server's own, or if it
    /// is a development server on the same machine. Where pages of a host are listed, no others of
    /// that host may connect. An entry of `origins.hosts` with a scheme lists the pages of that
    /// host which connect to the same host.
    pub fn allows(&self, origin: &str, host: &str, ports: &[u16]) -> bool {
        if self.everyone {
            return true;
        }
        let Some(origin) = WebOrigin::parse(origin) else { return false };
        if self.allowed.iter().any(|listed| listed.has(origin)) {
            return true;
        }
        let (WebOrigin::Page { scheme, host: name, port }, Some((host, host_port))) =
            (origin, Host::with_port(host))
        else {
            return false;
        };
        let own_pages = || self.hosts.iter().filter_map(HostPattern::own_pages);
        if name == host && own_pages().any(|listed| listed.has(origin)) {
            return true;
        }
        let on_this_machine = name.is_loopback() && host.is_loopback();
        let is_named = self.allowed.iter().chain(own_pages()).any(|listed| listed.names(name));
        let is_strict = !self.allowed.is_empty();
        let is_ours = |is_strict| is_ours(scheme, port, host_port, ports, is_strict);
        match (on_this_machine, is_named) {
            (true, false) => true,
            (true, true) => is_ours(false),
            (false, false) => name == host && is_ours(is_strict),
            (false, true) => false,
        }
    }

    /// Returns true if a connection to `local` answers to `host`: names of this machine, listed
    /// ones and those of listed pages; beyond loopback also addresses, and, where `origins.hosts`
    /// is empty, names that only the local network has.
    pub fn answers_to(&self, host: &str, local: IpAddr) -> bool {
        let Some((name, _)) = Host::with_port(host) else { return false };
        self.answers_operators(host, local)
            || self.allowed.iter().any(|listed| listed.names(name))
            || self.everyone && self.hosts.is_empty()
    }

    /// The same for an admin listener, to which no page may connect: the pages of `origins.allowed`
    /// name no host of it.
    pub fn answers_operators(&self, host: &str, local: IpAddr) -> bool {
        let Some((host, _)) = Host::with_port(host) else { return false };
        let beyond_loopback = !local.to_canonical().is_loopback();
        let is_listed = self.hosts.iter().any(|listed| listed.has(host));
        let is_local = match host {
            Host::Address(_) => beyond_loopback,
            name => beyond_loopback && self.hosts.is_empty() && name.is_local(),
        };
        host.is_loopback() || is_listed || is_local
    }
}

/// Returns true if a page of the same host belongs to this server: it has the port that it connects
/// to, or, without a proxy between, one of `ports`, those of all listeners. If `is_strict`, it must
/// be a page of that very listener, or use https, which a proxy has ended: without encryption
/// anybody on the way may have written a page of that host.
fn is_ours(scheme: &str, port: Option<u16>, host_port: Option<u16>, ports: &[u16], is_strict: bool) -> bool {
    let Some(default) = default_port(scheme) else { return false };
    let host_port = host_port.unwrap_or(default);
    let is_listened_to = |port: u16| ports.contains(&port);
    let (is_plain, is_same) = (scheme.eq_ignore_ascii_case("http"), port == Some(host_port));
    let is_direct = is_plain && is_listened_to(host_port);
    match is_strict {
        true => is_same && (is_direct || !is_plain),
        false => is_same || is_direct && port.is_some_and(is_listened_to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const NETWORK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// The rules of a server with two listeners.
    struct Rules(Origins);

    impl Rules {
        fn allows(&self, origin: &str, host: &str) -> bool {
            self.0.allows(origin, host, &[3000, 8080])
        }

        fn answers_to(&self, host: &str, local: IpAddr) -> bool {
            self.0.answers_to(host, local)
        }
    }

    fn origins(allowed: &[&str]) -> Rules {
        with_hosts(allowed, &[])
    }

    fn with_hosts(allowed: &[&str], hosts: &[&str]) -> Rules {
        let settings = OriginSettings {
            allowed: allowed.iter().map(|origin| origin.parse().unwrap()).collect(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        };
        Rules(Origins::new(&settings))
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
    fn where_origins_are_listed_their_hosts_schemes_and_ports_decide() {
        let listed = origins(&["https://chat.example"]);
        assert!(listed.allows("https://chat.example", "chat.example"));
        for origin in ["http://chat.example", "https://chat.example:8080", "http://chat.example:3000"] {
            for host in ["chat.example", "chat.example:8080", "localhost:8080"] {
                assert!(!listed.allows(origin, host), "{origin} {host}");
            }
        }
        assert!(listed.allows("http://10.0.0.1:8080", "10.0.0.1:8080"), "exactly our own");
        assert!(!listed.allows("http://10.0.0.1:3000", "10.0.0.1:8080"));
        let listed = origins(&["http://localhost:5173"]);
        for (origin, expected) in [
            ("http://localhost:5173", true),
            ("http://localhost:3000", true),
            ("http://localhost:9999", false),
        ] {
            assert_eq!(listed.allows(origin, "localhost:8080"), expected, "{origin}");
        }
    }

    #[test]
    fn where_origins_are_listed_a_host_without_a_scheme_has_pages_over_https_or_of_our_listeners() {
        let listed = with_hosts(&["https://a.example"], &["b.example"]);
        for (origin, host, expected) in [
            ("https://a.example", "b.example", true),
            ("https://b.example", "b.example", true),
            ("http://b.example", "b.example", false),
            ("http://b.example", "b.example:80", false),
            ("http://b.example:8080", "b.example:8080", true),
            ("http://b.example:3000", "b.example:8080", false),
            ("https://b.example:8443", "b.example", false),
            ("http://10.0.0.1", "10.0.0.1", false),
            ("http://box", "box", false),
        ] {
            assert_eq!(listed.allows(origin, host), expected, "{origin} {host}");
        }
    }

    #[test]
    fn a_host_that_is_listed_with_its_scheme_has_no_other_pages() {
        for allowed in [&[][..], &["https://a.example"]] {
            let listed =
                with_hosts(allowed, &["https://b.example", "http://c.example:81", "https://*.d.example"]);
            for (origin, host, expected) in [
                ("https://b.example", "b.example", true),
                ("https://B.example:443", "b.example:443", true),
                ("http://b.example", "b.example", false),
                ("http://b.example:8080", "b.example:8080", false),
                ("https://b.example:8443", "b.example:8443", false),
                ("http://c.example:81", "c.example:81", true),
                ("http://c.example", "c.example", false),
                ("https://x.d.example", "x.d.example", true),
                ("https://x.d.example", "y.d.example", false),
                ("https://b.example", "x.d.example", false),
            ] {
                assert_eq!(listed.allows(origin, host), expected, "{origin} {host}");
            }
            assert!(
                listed.answers_to("b.example", NETWORK) && listed.0.answers_operators("b.example", NETWORK)
            );
        }
    }

    #[test]
    fn a_proxy_hides_which_ports_are_ours() {
        let origins = origins(&[]);
        assert!(origins.allows("https://chat.example", "chat.example"));
        for origin in ["http://chat.example:8080", "https://chat.example:8080", "http://chat.example:3000"] {
            assert!(!origins.allows(origin, "chat.example"), "{origin}");
        }
        assert!(!origins.allows("https://chat.example:3000", "chat.example:8080"));
    }

    #[test]
    fn loopback_answers_to_its_own_names_only() {
        let origins = origins(&["https://chat.example"]);
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "localhost.",
            "a.localhost:8080",
            "127.0.0.1:8080",
            "127.8.8.8",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:8080",
            "chat.example",
        ] {
            assert!(origins.answers_to(host, LOOPBACK), "{host}");
        }
        for host in
            ["rebound.example:8080", "localhost.evil.example", "", "10.0.0.1:8080", "a b", "box", "box.local"]
        {
            assert!(!origins.answers_to(host, LOOPBACK), "{host}");
        }
    }

    #[test]
    fn a_network_answers_to_addresses_names_of_its_own_and_listed_ones() {
        let local = ["10.0.0.1:8080", "[fe80::1]", "box:8080", "box.local", "localhost", "a.home.arpa"];
        for host in local {
            assert!(origins(&[]).answers_to(host, NETWORK), "{host}");
            assert!(origins(&["https://chat.example"]).answers_to(host, NETWORK), "{host}");
        }
        for host in ["rebound.example:8080", "chat.example", "local.evil.example", ""] {
            assert!(!origins(&[]).answers_to(host, NETWORK), "{host}");
            assert!(origins(&["*"]).answers_to(host, NETWORK) != host.is_empty(), "{host}");
        }
        assert!(origins(&["https://*.chat.example"]).answers_to("a.chat.example", NETWORK));
        let listed = with_hosts(&["*"], &["chat.example", "*.chat.example"]);
        for (host, expected) in [
            ("chat.example", true),
            ("a.chat.example:8080", true),
            ("10.0.0.1", true),
            ("box", false),
            ("rebound.example", false),
        ] {
            assert_eq!(listed.answers_to(host, NETWORK), expected, "{host}");
        }
        assert!(with_hosts(&[], &["*"]).answers_to("anything.example", NETWORK));
    }
}
