//! Messages of the server in worldcast.v1.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    Welcome(Welcome),
    Message(Message),
    /// The answer to a request that was sent to know that everything before it has been received.
    Presence {},
    Error {
        message: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Welcome {
    pub session: String,
    pub who: String,
    pub epoch: String,
    pub offset: u64,
    /// Absent when nothing was to be recovered.
    #[serde(default = "whole")]
    pub recovered: bool,
}

fn whole() -> bool {
    true
}

#[derive(Debug, Deserialize)]
pub struct Message {
    pub offset: u64,
    pub who: Option<String>,
    pub text: Option<String>,
    pub base64: Option<String>,
}

impl ServerMessage {
    /// Reads a text frame; what this program does not know is `Other`.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Self::Other)
    }
}
