//! The opening handshake of a client (RFC 6455 §4.1).

/// The value of `Sec-WebSocket-Key` in the example of RFC 6455 §1.3.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A valid opening handshake at `path`. Each line of `headers` ends with CRLF; an empty text adds
/// none.
pub fn handshake(path: &str, headers: &str) -> String {
    handshake_with_host(path, "localhost", headers)
}

/// The same with this value of `Host`.
pub fn handshake_with_host(path: &str, host: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}
