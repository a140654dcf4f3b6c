//! The browser's console, of all windows together.

use super::vendor;
use fantoccini::Client;
use serde_json::Value;

/// One entry: how grave it is, and where and what.
#[derive(Clone, Debug)]
pub struct Entry {
    level: String,
    message: String,
}

impl Entry {
    /// The lines since the last reading.
    pub async fn read_all(client: &Client) -> Vec<Self> {
        vendor::console(client).await.iter().map(Self::of).collect()
    }

    fn of(entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Self { level: text("level"), message: text("message") }
    }

    /// True for an error of the page, or a violation of its policy.
    pub fn is_error(&self) -> bool {
        self.level != "INFO" && self.level != "DEBUG"
    }

    /// True for a violation of the Content-Security-Policy.
    pub fn is_about_the_policy(&self) -> bool {
        self.is_error() && self.message.contains("Content Security Policy")
    }

    /// True for Chromium's own line about a server that cannot be reached, or that ended during a
    /// request.
    pub fn is_about_a_lost_server(&self) -> bool {
        self.message.contains("WebSocket connection to ") && self.message.contains(" failed: ")
            || self.message.contains("Failed to load resource: net::ERR_CONNECTION_")
    }

    /// True if the page logged `line`, which the driver quotes after the position in the source.
    pub fn contains(&self, line: &str) -> bool {
        self.message.ends_with(&format!(" {}", Value::from(line)))
    }
}
