//! What the browser writes on its console, of all windows together.

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
    /// What was written since the last reading.
    pub async fn read_all(client: &Client) -> Vec<Self> {
        vendor::console(client).await.iter().map(Self::of).collect()
    }

    fn of(entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Self { level: text("level"), message: text("message") }
    }

    /// Whether it is a mistake of the page, or something that its policy forbids.
    pub fn is_complaint(&self) -> bool {
        self.level != "INFO" && self.level != "DEBUG"
    }

    /// Whether something was forbidden by the Content-Security-Policy.
    pub fn is_about_the_policy(&self) -> bool {
        self.is_complaint() && self.message.contains("Content Security Policy")
    }

    /// Whether it is Chromium's own word about a server that is not there, or went while a request was on its way.
    pub fn is_about_a_lost_server(&self) -> bool {
        self.message.contains("WebSocket connection to ") && self.message.contains(" failed: ")
            || self.message.contains("Failed to load resource: net::ERR_CONNECTION_")
    }

    /// Whether the page said `line`, which the driver writes in quotes behind the place in the source.
    pub fn says(&self, line: &str) -> bool {
        self.message.ends_with(&format!(" {}", Value::from(line)))
    }
}
