//! How a session is spoken to: bare messages, the subprotocol worldcast.v1, or Server-Sent Events.

mod close_reason; // why a session ends, and whether to come back
mod session_tokens; // who may say that it is who
pub mod sse; // Server-Sent Events
pub mod v1; // worldcast.v1

pub use close_reason::{CloseReason, may_come_back_after};
pub use session_tokens::SessionTokens;

use crate::wire::WindowBits;

/// What was agreed on in the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What is said and nothing else.
    Raw,
    /// worldcast.v1
    V1,
    /// Server-Sent Events, as the body of an HTTP response.
    Events(Framing),
}

/// How the end of an HTTP body is marked (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By an empty chunk: HTTP/1.1.
    Chunked,
    /// By the end of the connection: HTTP/1.0.
    Close,
}

/// How the frames of a session look; whatever has the same form is encoded once for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    pub protocol: Protocol,
    /// The window of compressed messages, when compression was agreed on.
    pub window: Option<WindowBits>,
}

impl Protocol {
    /// The first that is known of those in the values of all `Sec-WebSocket-Protocol` headers of a request
    /// (RFC 6455 §4.2.2); whoever offers none, or none that is known, is spoken to barely.
    pub fn negotiate<'a>(offers: impl Iterator<Item = &'a str>) -> Self {
        let mut names =
            offers.flat_map(|header| header.split(',')).map(|name| name.trim_matches([' ', '\t']));
        if names.any(|name| name == v1::NAME) { Self::V1 } else { Self::Raw }
    }

    /// What the server answers in `Sec-WebSocket-Protocol`.
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
