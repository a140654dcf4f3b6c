//! The messages of the server in the subprotocol worldcast.v1.

use serde::Deserialize;
use serde_json::Value;

/// A message of the server.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The first message of a session.
    Welcome(Welcome),
    /// A message of the room.
    Message(Message),
    /// The answer to a request for presence; all earlier messages of the room have been received.
    Presence {},
    /// The refusal of a request.
    Error(RequestError),
    /// The history goes on in a new epoch.
    Epoch {
        /// The epoch that begins.
        epoch: String,
        /// The offset after which messages that were received before are lost.
        kept: u64,
        /// The offset up to which messages after `kept` cannot be delivered.
        offset: Option<u64>,
    },
    /// A type that this program does not use.
    #[serde(other)]
    Other,
}

/// The session and its position in the room.
#[derive(Clone, Debug, Deserialize)]
pub struct Welcome {
    /// The session token, which resumes the session.
    pub session: String,
    /// The identifier of this client in messages.
    pub who: String,
    /// The epoch of the room's history.
    pub epoch: String,
    /// The offset of the last message before those that follow.
    pub offset: u64,
    /// False if missed messages cannot be recovered; absent if none were requested.
    #[serde(default = "is_recovered")]
    pub recovered: bool,
}

fn is_recovered() -> bool {
    true
}

/// A message of the room; it has either `text` or `base64`.
#[derive(Debug, Deserialize)]
pub struct Message {
    /// The offset in the room's history.
    pub offset: u64,
    /// The publisher; absent for messages over HTTP.
    pub who: Option<String>,
    /// The text of a text message.
    pub text: Option<String>,
    /// The bytes of a binary message, encoded as Base64.
    pub base64: Option<String>,
}

/// The refusal of a request; the session stays open.
#[derive(Debug, Deserialize)]
pub struct RequestError {
    /// The `ref` of the request.
    #[serde(rename = "ref")]
    pub reference: Option<Value>,
    /// The reason, for programs.
    #[serde(default)]
    pub code: String,
    /// The reason, as a sentence.
    pub message: String,
}

impl RequestError {
    /// The code of a message that was not confirmed in time, and may still be published.
    pub const UNCONFIRMED: &str = "backplane";
}

impl ServerMessage {
    /// Parses a text frame; a message that this program does not know is `Other`.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Self::Other)
    }
}
