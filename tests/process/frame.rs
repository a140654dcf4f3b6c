//! What a client sends, written apart from the server's own code, so that no mistake cancels another.

/// Appends a client's frame (RFC 6455 §5.2) that begins with the byte `first`.
pub fn append_frame(out: &mut Vec<u8>, first: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(first);
    match payload.len() {
        short @ ..126 => out.push(0x80 | short as u8),
        medium @ ..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend((medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    match mask {
        [0, 0, 0, 0] => out.extend_from_slice(payload),
        mask => out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask)),
    }
}

/// A flawless opening handshake (the key of RFC 6455 §1.3), with `headers` as they are.
pub fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}
