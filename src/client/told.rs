//! What the server says, in worldcast.v1.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Told {
    Welcome(Welcome),
    Message(Message),
    /// The answer to a question that was asked to know that all before it was heard.
    Presence {},
    Error {
        message: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub struct Welcome {
    pub session: String,
    pub who: u64,
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
    pub who: Option<u64>,
    pub text: Option<String>,
    pub base64: Option<String>,
}
