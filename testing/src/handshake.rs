//! The opening handshake of a client (RFC 6455 §4.1).

/// The value of `Sec-WebSocket-Key` in the example of RFC 6455 §1.3.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The headers of a valid opening handshake.
const HEADERS: [(&str, &str); 5] = [
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

/// A valid opening handshake at `path`, with more `headers` or others in place of its own.
///
/// Each line of `headers` ends with CRLF; an empty text adds none.
pub fn handshake(path: &str, headers: &str) -> String {
    let is_given = |name| headers.split("\r\n").any(|line| line.split(':').next() == Some(name));
    let own = HEADERS.iter().filter(|(name, _)| !is_given(name));
    let own: String = own.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\n{own}{headers}\r\n")
}
