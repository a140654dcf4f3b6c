//! The subprotocol `worldcast.v1`: JSON in text frames. docs/protocol.md describes it for authors
//! of clients.

use super::CloseReason;
use crate::{
    config::RoomName,
    history::{Epoch, Message, Offset, Position},
    ids::{Reference, SpeakerId},
    room::Present,
    wire::Payload,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::SystemTime;

/// The name in `Sec-WebSocket-Protocol`.
pub const NAME: &str = "worldcast.v1";

/// Bytes of a request beside its text: names, quotes, a reference, some white space.
const ENVELOPE: usize = 1 << 10;

/// Bytes of the longest JSON escape of one byte of text, `\u0000`.
const MAX_ESCAPE: usize = 6;

/// Returns the bytes of the largest request that publishes a message of `max_message` bytes.
pub fn max_request(max_message: usize) -> usize {
    max_message.saturating_mul(MAX_ESCAPE).saturating_add(ENVELOPE)
}

/// A frame from the server.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ServerMessage<'a> {
    Welcome(Welcome<'a>),
    Message(MessageJson<'a>),
    Join {
        who: SpeakerId,
    },
    Leave {
        who: SpeakerId,
    },
    Epoch {
        epoch: Epoch,
        kept: Offset,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset: Option<Offset>,
    },
    Ack {
        r#ref: &'a Reference,
        offset: Offset,
    },
    Presence {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a Reference>,
        #[serde(flatten)]
        present: &'a Present,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a RawValue>,
        code: &'a str,
        message: &'a str,
    },
}

/// The first frame of a session.
#[derive(Serialize)]
pub struct Welcome<'a> {
    /// The room that the client has joined.
    pub room: &'a RoomName,
    /// The token that resumes this speaker in a later session.
    pub session: String,
    /// The speaker of this session.
    pub who: SpeakerId,
    /// The messages after this position follow.
    #[serde(flatten)]
    pub position: Position,
    /// `true` if a resume lost no message; absent without a resume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
}

/// A message as JSON.
#[derive(Serialize)]
pub struct MessageJson<'a> {
    offset: Offset,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<SpeakerId>,
    time: String,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text(&'a str),
    Base64(String),
}

impl<'a> MessageJson<'a> {
    /// The JSON of `message`.
    pub fn of(message: &'a Message) -> Self {
        let content = match &message.payload {
            Payload::Text(text) => Content::Text(text),
            Payload::Binary(bytes) => Content::Base64(BASE64.encode(bytes)),
        };
        Self { content, ..Self::without_content(message) }
    }

    /// The JSON of `message` with an empty content, for a writer that adds the content piece by
    /// piece.
    pub fn without_content(message: &'a Message) -> Self {
        let content = match &message.payload {
            Payload::Text(_) => Content::Text(""),
            Payload::Binary(_) => Content::Base64(String::new()),
        };
        Self { offset: message.position.offset, who: message.who, time: rfc_3339(message.time), content }
    }
}

/// Encodes the first frame of a session.
pub fn welcome(welcome: Welcome) -> Payload {
    text(&ServerMessage::Welcome(welcome))
}

/// Encodes a message.
pub fn message(message: &Message) -> Payload {
    text(&ServerMessage::Message(MessageJson::of(message)))
}

/// Encodes the notice that `who` has joined.
pub fn join(who: SpeakerId) -> Payload {
    text(&ServerMessage::Join { who })
}

/// Encodes the notice that `who` has left.
pub fn leave(who: SpeakerId) -> Payload {
    text(&ServerMessage::Leave { who })
}

/// Encodes the notice that `epoch` begins and continues the history from `kept` on; with an
/// `offset`, only the messages after that one follow.
pub fn epoch(epoch: Epoch, kept: Offset, offset: Option<Offset>) -> Payload {
    text(&ServerMessage::Epoch { epoch, kept, offset })
}

/// Encodes the ack of a published message, with its offset.
pub fn ack(reference: &Reference, offset: Offset) -> Payload {
    text(&ServerMessage::Ack { r#ref: reference, offset })
}

/// Encodes the answer to a request for presence.
pub fn presence(reference: Option<&Reference>, present: &Present) -> Payload {
    text(&ServerMessage::Presence { r#ref: reference, present })
}

/// Encodes the answer to a publish that the backplane has not confirmed in time.
pub fn unconfirmed(reference: Option<&Reference>) -> Payload {
    error(&RequestError {
        reference: reference.and_then(Reference::to_json),
        code: CloseReason::Backplane.name(),
        message: "not confirmed within session.stalled_write: the message may still be published".to_owned(),
    })
}

/// Encodes the answer to a request that failed.
pub fn error(RequestError { reference, code, message }: &RequestError) -> Payload {
    text(&ServerMessage::Error { r#ref: reference.as_deref(), code, message })
}

fn text(message: &ServerMessage) -> Payload {
    let json = serde_json::to_string(message).expect("text, numbers and lists are JSON");
    Payload::Text(json.into_boxed_str().into())
}

fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// A request from a client.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// A message to publish, acknowledged if there is a reference.
    Publish {
        /// The client's name for the request.
        reference: Option<Reference>,
        /// The content.
        payload: Payload,
    },
    /// A request for the presence of the client's room.
    Presence {
        /// The client's name for the request.
        reference: Option<Reference>,
    },
}

/// The reason why a request fails; its session continues.
#[derive(Debug)]
pub struct RequestError {
    /// The `ref` of the request as it was sent, even if it is no valid [`Reference`], so that its
    /// sender does not wait for an answer without end; `None` if it cannot be read.
    pub reference: Option<Box<RawValue>>,
    /// The code for programs.
    pub code: &'static str,
    /// The sentence for people.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum RequestJson {
    Publish { r#ref: Option<Reference>, text: Option<String>, base64: Option<String> },
    Presence { r#ref: Option<Reference> },
}

impl Request {
    /// Parses the text of a frame.
    ///
    /// # Errors
    /// A [`RequestError`] with the code `request` if the text is not a request, `payload` unless it
    /// has exactly one of `text` and `base64`, and `base64` if that is not valid. It carries the
    /// reference wherever that can be read.
    pub fn read(text: &str) -> Result<Self, RequestError> {
        let refuse = |code, message| RequestError { reference: reference_in_any(text), code, message };
        if !is_object(text) {
            return Err(refuse("request", format!("not a request of {NAME}: a request is a JSON object")));
        }
        match serde_json::from_str(text) {
            Ok(RequestJson::Presence { r#ref }) => Ok(Self::Presence { reference: r#ref }),
            Ok(RequestJson::Publish { r#ref, text, base64 }) => match payload(text, base64) {
                Ok(payload) => Ok(Self::Publish { reference: r#ref, payload }),
                Err(error) => Err(refuse(error.code(), error.to_string())),
            },
            Err(error) => Err(refuse("request", format!("not a request of {NAME}: {error}"))),
        }
    }
}

/// Reads the `ref` of a text that is not a request: the rest may break every rule, such as half of
/// a surrogate pair.
fn reference_in_any(text: &str) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Any {
        r#ref: Option<Box<RawValue>>,
    }
    if is_object(text) { serde_json::from_str::<Any>(text).ok()?.r#ref } else { None }
}

/// Returns true if `text` can be a JSON object; serde reads an array as one too.
fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// The reason why JSON has no payload to publish.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// There are both `text` and `base64`, or neither.
    #[error("a message has either text or base64")]
    NotOne,
    /// `base64` is not valid (RFC 4648 §4).
    #[error("base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

impl PayloadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotOne => "payload",
            Self::Base64(_) => "base64",
        }
    }
}

/// Returns the payload that exactly one of two fields holds.
///
/// # Errors
/// Fails with both or neither, and with invalid base64.
pub fn payload(text: Option<String>, base64: Option<String>) -> Result<Payload, PayloadError> {
    match (text, base64) {
        (Some(text), None) => Ok(Payload::Text(text.into_boxed_str().into())),
        (None, Some(base64)) => Ok(Payload::Binary(BASE64.decode(base64)?.into())),
        _ => Err(PayloadError::NotOne),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Audience, Epoch, NewMessage};
    use std::time::{Duration, Instant};

    fn json(payload: Payload) -> String {
        String::from_utf8(payload.as_bytes().to_vec()).unwrap()
    }

    fn sample(payload: Payload, who: Option<SpeakerId>) -> Message {
        let message = NewMessage { payload, who, audience: Audience::Everyone };
        let position = Position { epoch: Epoch::begin(), offset: Offset::default().next() };
        let mut message = Message::new(message, position, Instant::now());
        message.time = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        message
    }

    #[test]
    fn a_message_carries_its_offset_its_speaker_and_its_time() {
        let who = SpeakerId::next();
        assert_eq!(
            json(message(&sample(Payload::Text("a\"\n".into()), Some(who)))),
            format!(
                r#"{{"type":"message","offset":1,"who":"{who}","time":"1970-01-01T00:00:01.500Z","text":"a\"\n"}}"#
            )
        );
        assert_eq!(
            json(message(&sample(Payload::Binary(vec![0, 255].into()), None))),
            r#"{"type":"message","offset":1,"time":"1970-01-01T00:00:01.500Z","base64":"AP8="}"#
        );
    }

    #[test]
    fn a_request_is_read() {
        let reference = Reference::try_from("1".to_owned()).ok();
        let read = |text| Request::read(text).unwrap();
        assert_eq!(
            read(r#"{"type":"publish","ref":"1","text":"hello"}"#),
            Request::Publish { reference: reference.clone(), payload: Payload::Text("hello".into()) }
        );
        assert_eq!(
            read(r#"{"base64":"AP8=","type":"publish"}"#),
            Request::Publish { reference: None, payload: Payload::Binary(vec![0, 255].into()) }
        );
        assert_eq!(read(r#"{"type":"presence","ref":"1"}"#), Request::Presence { reference });
    }

    #[test]
    fn a_text_that_is_no_request_is_answered_with_an_error() {
        let long = format!(r#"{{"type":"publish","ref":"{}","text":""}}"#, "x".repeat(65));
        let cases = [
            ("", "request", false),
            ("hello", "request", false),
            (r#"{"ref":1,"type":"publish","text":""}"#, "request", true),
            (r#"{"ref":null,"type":"shout"}"#, "request", false),
            (r#"["presence","1"]"#, "request", false),
            (r#"[{"type":"publish","ref":"1","text":"a"}]"#, "request", false),
            (r#"{"ref":"1"}"#, "request", true),
            (r#"{"type":"publish","ref":"1","text":5}"#, "request", true),
            (r#"{"type":"publish","text":"\ud83d","ref":"1"}"#, "request", true),
            (r#"{"type":"shout","ref":"1"}"#, "request", true),
            (r#"{"type":"shout"}"#, "request", false),
            (&long, "request", true),
            (r#"{"type":"publish","ref":"1"}"#, "payload", true),
            (r#"{"type":"publish","ref":"1","text":"a","base64":""}"#, "payload", true),
            (r#"{"type":"publish","ref":"1","base64":"A"}"#, "base64", true),
        ];
        for (text, code, referred) in cases {
            let error = Request::read(text).unwrap_err();
            assert_eq!((error.code, error.reference.is_some()), (code, referred), "{text}");
        }
        let error = Request::read(r#"{"type":"presence","ref":5.50}"#).unwrap_err();
        let answer = json(super::error(&error));
        assert!(answer.contains(r#""ref":5.50,"#), "as it was sent: {answer}");
    }
}
