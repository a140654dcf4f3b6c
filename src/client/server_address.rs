//! The address of a server in any form that users have: of its page, of its WebSocket, or host and
//! port alone.

use std::{fmt, net::Ipv6Addr, str::FromStr};
use worldcast::config::{RoomName, RoomNameError};

/// The address of a server, which may contain the name of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerAddress {
    /// The connection is encrypted: `wss://`.
    pub tls: bool,
    /// Host and port, such as `127.0.0.1:8080`.
    authority: String,
    /// The path of the server, which begins and ends with `/`; it is longer than `/` behind a proxy
    /// with a path.
    directory: String,
    /// The room, such as `news` in `ws://127.0.0.1:8080/websocket/news` or
    /// `http://127.0.0.1:3000/#news`.
    pub room: Option<RoomName>,
}

/// The error for a text that is no address of a server.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ServerAddressError {
    #[error("an address begins with ws://, wss://, http:// or https://, not with {0:?}")]
    Scheme(String),
    #[error("an address has no user name and no password; a key comes from --key-file")]
    User,
    #[error("the address has no host")]
    NoHost,
    #[error("{0:?} is no name of a host")]
    Host(String),
    #[error("{0:?} is no IPv6 address, which stands in brackets, as in [::1]:8080")]
    Ipv6(String),
    #[error("port {0} is out of range: ports go from 1 to 65535")]
    PortRange(String),
    #[error("{0:?} is no port: ports go from 1 to 65535")]
    Port(String),
    #[error("an address of a server has no query after a question mark")]
    Query,
    #[error("{0:?} is no path: a path has visible ASCII characters only")]
    Path(String),
    #[error("the room in the address: {0}")]
    Room(#[from] RoomNameError),
}

impl ServerAddress {
    /// Returns the URL of the handshake for `room`, without a query.
    pub fn room_url(&self, room: &RoomName) -> String {
        format!("{}://{}{}websocket/{}", self.scheme(), self.authority, self.directory, room.as_str())
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "wss" } else { "ws" }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.directory.trim_end_matches('/'))
    }
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("ws", text.trim()));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(ServerAddressError::Scheme(format!("{scheme}://"))),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        check_authority(authority)?;
        let (directory, room) = split_path(path)?;
        let room = [room, fragment].into_iter().find(|room| !room.is_empty());
        Ok(Self {
            tls,
            authority: authority.to_owned(),
            directory: directory.to_owned() + if directory.ends_with('/') { "" } else { "/" },
            room: room.map(str::parse).transpose()?,
        })
    }
}

/// Splits a path into the path of the server and the room after `/websocket/`, which may be empty.
///
/// # Errors
/// [`ServerAddressError::Query`], or [`ServerAddressError::Path`] for a character that is not
/// visible ASCII.
fn split_path(path: &str) -> Result<(&str, &str), ServerAddressError> {
    match path.bytes().find(|byte| !byte.is_ascii_graphic() || *byte == b'?') {
        Some(b'?') => return Err(ServerAddressError::Query),
        Some(_) => return Err(ServerAddressError::Path(path.to_owned())),
        None => {}
    }
    match path.rsplit_once("/websocket") {
        Some((directory, "")) => Ok((directory, "")),
        Some((directory, room)) if room.starts_with('/') => Ok((directory, &room[1..])),
        _ => Ok((path, "")),
    }
}

fn check_authority(authority: &str) -> Result<(), ServerAddressError> {
    if authority.contains('@') {
        return Err(ServerAddressError::User);
    }
    let port = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').unwrap_or((rest, ""));
            let error = || ServerAddressError::Ipv6(authority.to_owned());
            address.parse::<Ipv6Addr>().map_err(|_| error())?;
            if authority.ends_with(']') { None } else { Some(port.strip_prefix(':').ok_or_else(error)?) }
        }
        None => {
            let (host, port) =
                authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            check_host(host, authority)?;
            port
        }
    };
    port.map_or(Ok(()), check_port)
}

fn check_host(host: &str, authority: &str) -> Result<(), ServerAddressError> {
    if authority.matches(':').count() > 1 {
        return Err(ServerAddressError::Ipv6(authority.to_owned()));
    }
    match host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        _ if host.is_empty() => Err(ServerAddressError::NoHost),
        false => Err(ServerAddressError::Host(host.to_owned())),
        true => Ok(()),
    }
}

fn check_port(port: &str) -> Result<(), ServerAddressError> {
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(ServerAddressError::PortRange(port.to_owned()))
        }
        _ => Err(ServerAddressError::Port(port.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_the_log_or_a_browser_shows_is_accepted() {
        for (written, room) in [
            ("127.0.0.1:8080", ""),
            ("ws://127.0.0.1:8080", ""),
            ("ws://127.0.0.1:8080/", ""),
            ("http://127.0.0.1:8080/", ""),
            ("HTTP://127.0.0.1:8080", ""),
            ("WS://127.0.0.1:8080/websocket", ""),
            ("ws://127.0.0.1:8080/websocket/", ""),
            (" ws://127.0.0.1:8080/websocket/news", "news"),
            ("http://127.0.0.1:8080/#news", "news"),
        ] {
            let address: ServerAddress = written.parse().unwrap();
            assert_eq!(address.to_string(), "ws://127.0.0.1:8080", "{written}");
            assert_eq!(address.room.as_ref().map_or("", RoomName::as_str), room, "{written}");
            assert_eq!(
                address.room_url(&"tea".parse().unwrap()),
                "ws://127.0.0.1:8080/websocket/tea",
                "{written}"
            );
        }
        for (written, url) in [
            ("http://example.org/live/", "ws://example.org/live/websocket/tea"),
            ("ws://example.org/live/websocket", "ws://example.org/live/websocket/tea"),
            ("example.org/live", "ws://example.org/live/websocket/tea"),
            ("ws://[::1]:80", "ws://[::1]:80/websocket/tea"),
            ("ws://[::1]/", "ws://[::1]/websocket/tea"),
            ("localhost:8080", "ws://localhost:8080/websocket/tea"),
            ("wss://example.org", "wss://example.org/websocket/tea"),
            ("HTTPS://example.org/live/#news", "wss://example.org/live/websocket/tea"),
        ] {
            let address: ServerAddress = written.parse().unwrap();
            assert_eq!(address.room_url(&"tea".parse().unwrap()), url, "{written}");
        }
    }

    #[test]
    fn a_text_that_is_no_address_is_refused_with_the_reason() {
        for (written, expected) in [
            ("", "the address has no host"),
            ("ws://", "the address has no host"),
            ("ws://:8080", "the address has no host"),
            ("ftp://host", "an address begins with ws://, wss://, http:// or https://, not with \"ftp://\""),
            ("ws://host:99999", "port 99999 is out of range: ports go from 1 to 65535"),
            ("ws://host:65536", "port 65536 is out of range"),
            ("ws://host:99999999999999999999", "port 99999999999999999999 is out of range"),
            ("ws://host:0", "port 0 is out of range"),
            ("ws://[::1]:99999", "port 99999 is out of range"),
            ("ws://host:", "\"\" is no port"),
            ("ws://host:http", "\"http\" is no port"),
            ("ws://host:-1", "\"-1\" is no port"),
            ("ws://::1:8080", "\"::1:8080\" is no IPv6 address"),
            ("ws://[::1", "\"[::1\" is no IPv6 address"),
            ("ws://[::g]:1", "\"[::g]:1\" is no IPv6 address"),
            ("ws://a b", "\"a b\" is no name of a host"),
            ("ws://user:word@host", "an address has no user name"),
            ("ws://host/?last=1", "an address of a server has no query after a question mark"),
            ("ws://host/a b", "\"/a b\" is no path"),
            ("ws://host/websocket/a/b", "the room in the address: the name of a room"),
        ] {
            let error = written.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{written}: {error}");
        }
    }
}
