//! Server-Sent Events (WHATWG HTML, section 9.2), which browsers receive as an `EventSource`.
//!
//! The id of every event is the position after it, so that the browser's own `Last-Event-ID`
//! resumes.

use super::Framing;
use crate::{
    config::RoomName,
    history::{Message, Position},
    wire::Payload,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::Serialize;
use std::fmt::Write;

/// One event, encoded once for both framings, which share its bytes.
pub struct Event {
    /// The event as one chunk of a chunked body (RFC 9112 §7.1).
    chunk: Bytes,
    /// The event alone, a slice of `chunk`.
    bare: Bytes,
}

impl Event {
    fn new(event: &str) -> Self {
        let size = format!("{:x}\r\n", event.len());
        let chunk = Bytes::from([size.as_bytes(), event.as_bytes(), b"\r\n"].concat());
        let bare = chunk.slice(size.len()..size.len() + event.len());
        Self { chunk, bare }
    }

    /// Returns the bytes of the event in this framing.
    pub fn framed(&self, framing: Framing) -> &Bytes {
        match framing {
            Framing::Chunked => &self.chunk,
            Framing::Close => &self.bare,
        }
    }
}

/// Returns a comment, which keeps proxies from closing an idle connection.
pub fn keep_alive(framing: Framing) -> &'static Bytes {
    static CHUNK: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");
    static BARE: Bytes = Bytes::from_static(b":\n\n");
    match framing {
        Framing::Chunked => &CHUNK,
        Framing::Close => &BARE,
    }
}

/// Encodes a message: text as data, binary as base64 in an event `binary`.
pub fn message(message: &Message) -> Event {
    match &message.payload {
        Payload::Text(text) => event("message", Some(message.position), text),
        Payload::Binary(bytes) => event("binary", Some(message.position), &BASE64.encode(bytes)),
    }
}

#[derive(Serialize)]
struct Welcome<'a> {
    room: &'a RoomName,
    #[serde(flatten)]
    position: Position,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
}

/// Encodes the first event; the messages after `position` follow.
pub fn welcome(room: &RoomName, position: Position, recovered: Option<bool>) -> Event {
    event("welcome", Some(position), &json(&Welcome { room, position, recovered }))
}

#[derive(Serialize)]
struct End<'a> {
    code: Option<u16>,
    reason: &'a str,
}

/// Encodes the last event, with the code and the reason of a WebSocket's close frame, and the end
/// of the body.
pub fn end(code: Option<u16>, reason: &str, framing: Framing) -> Bytes {
    let end = event("end", None, &json(&End { code, reason }));
    match framing {
        Framing::Chunked => [&end.chunk[..], b"0\r\n\r\n"].concat().into(),
        Framing::Close => end.bare,
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text and numbers are JSON")
}

/// Encodes an event. The kind `message` is the default and needs no name. Every line of the data
/// begins a field; a carriage return ends a line too.
fn event(name: &str, id: Option<Position>, data: &str) -> Event {
    let lines = 1 + data.bytes().filter(|byte| b"\r\n".contains(byte)).count();
    // Never grows.
    let mut event = String::with_capacity(data.len() + lines * "data: \n".len() + 64);
    if let Some(id) = id {
        let _ = writeln!(event, "id: {id}"); // writing to memory never fails
    }
    if name != "message" {
        let _ = writeln!(event, "event: {name}");
    }
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        let _ = writeln!(event, "data: {line}");
    }
    event.push('\n');
    Event::new(&event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_field_of_its_own() {
        let event = |data| event("message", None, data).bare;
        assert_eq!(event("hello"), "data: hello\n\n");
        assert_eq!(event(""), "data: \n\n");
        assert_eq!(event("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
        assert_eq!(event("\n\nid: forged"), "data: \ndata: \ndata: id: forged\n\n");
    }

    #[test]
    fn an_end_says_why() {
        let event = "event: end\ndata: {\"code\":1012,\"reason\":\"bye\"}\n\n";
        assert_eq!(end(Some(1012), "bye", Framing::Close), event);
        assert_eq!(end(Some(1012), "bye", Framing::Chunked), format!("2f\r\n{event}\r\n0\r\n\r\n"));
    }

    #[test]
    fn an_event_is_one_chunk() {
        let event = event("message", None, "hello");
        assert_eq!(event.framed(Framing::Chunked), "d\r\ndata: hello\n\n\r\n");
        assert_eq!(event.framed(Framing::Close), "data: hello\n\n");
        assert_eq!(keep_alive(Framing::Chunked), "3\r\n:\n\n\r\n");
    }
}
