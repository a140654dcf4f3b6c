//! The protocols of sessions: raw messages, the subprotocol `worldcast.v1`, or Server-Sent Events.

mod close_reason; // reasons of the end, with code and sentence
mod session_tokens; // HMAC tokens that resume a speaker
pub mod sse; // Server-Sent Events
pub mod v1; // the subprotocol worldcast.v1

pub use close_reason::{CloseReason, may_reconnect_after};
pub use session_tokens::SessionTokens;

use crate::wire::WindowBits;

/// The protocol of a session, negotiated in the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Messages and nothing else.
    Raw,
    /// The subprotocol `worldcast.v1`.
    V1,
    /// Server-Sent Events, as the body of an HTTP response.
    Events(Framing),
}

/// The framing of an HTTP body without a known length (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Chunks, the last of them empty: HTTP/1.1.
    Chunked,
    /// The end of the connection: HTTP/1.0.
    Close,
}

/// The encoding of a session's frames; all sessions of one encoding share the encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The protocol of the session.
    pub protocol: Protocol,
    /// The window of compressed messages, if compression was negotiated.
    pub window: Option<WindowBits>,
}

impl Protocol {
    /// Selects the first known subprotocol in all `Sec-WebSocket-Protocol` headers of a request
    /// (RFC 6455 §4.2.2); raw messages without a known one.
    pub fn negotiate<'a>(offers: impl Iterator<Item = &'a str>) -> Self {
        let mut names =
            offers.flat_map(|header| header.split(',')).map(|name| name.trim_matches([' ', '\t']));
        if names.any(|name| name == v1::NAME) { Self::V1 } else { Self::Raw }
    }

    /// Returns the value of `Sec-WebSocket-Protocol` in the response.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Raw | Self::Events(_) => None,
            Self::V1 => Some(v1::NAME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subprotocol_is_found_in_lists_and_in_several_headers() {
        let cases: [(&[&str], Protocol); 7] = [
            (&[], Protocol::Raw),
            (&["chat"], Protocol::Raw),
            (&["worldcast.v2, worldcast"], Protocol::Raw),
            (&["Worldcast.v1"], Protocol::Raw), // names are compared to the letter
            (&["worldcast.v1"], Protocol::V1),
            (&["chat, worldcast.v1 ,x"], Protocol::V1),
            (&["chat", "x,\tworldcast.v1"], Protocol::V1),
        ];
        for (offers, expected) in cases {
            assert_eq!(Protocol::negotiate(offers.iter().copied()), expected, "{offers:?}");
        }
    }
}
