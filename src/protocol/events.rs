//! Server-Sent Events (WHATWG HTML, section 9.2): what `EventSource` hears.
//!
//! The id of every event is the position behind it, so that the browser's own `Last-Event-ID` resumes.

use crate::{
    room::{Position, RoomName, Said},
    wire::Payload,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::Serialize;
use std::fmt::Write;

/// A comment, which keeps proxies from taking the connection for dead.
pub static KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// Something said; its text as data, or, for what is binary, the event `binary` with base64.
pub fn message(said: &Said) -> Bytes {
    match &said.payload {
        Payload::Text(text) => event("message", Some(said.position), text),
        Payload::Binary(bytes) => event("binary", Some(said.position), &BASE64.encode(bytes)),
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

/// What comes first: the events behind `position` follow.
pub fn welcome(room: &RoomName, position: Position, recovered: Option<bool>) -> Bytes {
    event("welcome", Some(position), &json(&Welcome { room, position, recovered }))
}

#[derive(Serialize)]
struct End<'a> {
    code: Option<u16>,
    reason: &'a str,
}

/// What comes last: why there is no more, as a WebSocket would be told.
pub fn end(code: Option<u16>, reason: &str) -> Bytes {
    event("end", None, &json(&End { code, reason }))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text and numbers are JSON")
}

/// An event of the kind `message` needs no name. Every line of the data begins a field; carriage returns end lines too.
fn event(name: &str, id: Option<Position>, data: &str) -> Bytes {
    let mut event = String::with_capacity(data.len() + 64);
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
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_field_of_its_own() {
        let event = |data| event("message", None, data);
        assert_eq!(event("hello"), "data: hello\n\n");
        assert_eq!(event(""), "data: \n\n");
        assert_eq!(event("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
        assert_eq!(event("\n\nid: forged"), "data: \ndata: \ndata: id: forged\n\n");
    }

    #[test]
    fn an_end_says_why() {
        assert_eq!(end(Some(1012), "bye"), "event: end\ndata: {\"code\":1012,\"reason\":\"bye\"}\n\n");
    }
}
