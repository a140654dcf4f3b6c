//! Commands that chromedriver has beside those of the WebDriver standard.

use fantoccini::{Client, wd::WebDriverCompatibleCommand};
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        driver.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// The lines of the browser's console since the last call.
pub async fn console(client: &Client) -> Vec<Value> {
    let command = Command { path: "se/log", body: json!({ "type": "browser" }) };
    let entries = client.issue_cmd(command).await.expect("a log");
    entries.as_array().expect("a list").clone()
}

/// Orders of the DevTools protocol, to the window that the client is at.
pub async fn devtools(client: &Client, order: &str, parameters: Value) {
    let command = Command { path: "goog/cdp/execute", body: json!({ "cmd": order, "params": parameters }) };
    client.issue_cmd(command).await.unwrap_or_else(|error| panic!("{order}: {error}"));
}
