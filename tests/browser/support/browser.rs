//! Chromium without a screen, in a profile of its own.

use super::{
    Window,
    console::Entry,
    driver::Driver,
    missing::{program, skip},
};
use crate::process::Server;
use fantoccini::{
    Client, ClientBuilder,
    wd::{Capabilities, WindowHandle},
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

pub struct Browser {
    client: Client,
    first: WindowHandle, // it stays open: a browser ends with its last window
    console: Vec<Entry>,
    _driver: Driver,
    _profile: TempDir, // after the driver: the browser writes into it until it ends
}

const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1180,820",
];

impl Browser {
    /// A fresh browser, or nothing where none is installed.
    pub async fn start() -> Option<Self> {
        let Some(chromium) = program(&["chromium", "chromium-browser", "google-chrome"]) else {
            skip("chromium");
            return None;
        };
        let Some(chromedriver) = program(&["chromedriver"]) else {
            skip("chromedriver");
            return None;
        };
        let (driver, profile) = (Driver::start(&chromedriver), TempDir::new().expect("a directory"));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&chromium, profile.path()))
            .connect(&driver.url())
            .await
            .expect("chromium starts");
        let first = client.window().await.expect("a window");
        Some(Self { client, first, console: Vec::new(), _driver: driver, _profile: profile })
    }

    /// A window of its own, which shows nothing yet.
    pub async fn window(&self) -> Window {
        self.client.switch_to_window(self.first.clone()).await.expect("it stays open");
        let window = self.client.new_window(false).await.expect("a window");
        Window::new(self.client.clone(), window.handle)
    }

    /// A window with the page of `server`; `room` is empty or `#name`.
    pub async fn opens(&self, server: &Server, room: &str) -> Window {
        let window = self.window().await;
        window.navigates_to(&format!("http://{}/{room}", server.listeners[0])).await;
        window
    }

    /// A window in which `script` runs before those of the page.
    pub async fn opens_with(&self, script: &str, server: &Server) -> Window {
        let window = self.window().await;
        window.prepares(script).await;
        window.navigates_to(&format!("http://{}/", server.listeners[0])).await;
        window
    }

    /// A window with the page of `server`, connected and greeted; in the default room it has
    /// published its greeting.
    pub async fn joins(&self, server: &Server, room: &str) -> Window {
        let window = self.opens(server, room).await;
        let last = if room.is_empty() { "from client: hello" } else { "world" };
        window.has_line(&format!("client: received {last}")).await;
        window
    }

    /// Everything that the windows wrote on the console.
    pub async fn console(&mut self) -> &[Entry] {
        self.console.extend(Entry::read_all(&self.client).await);
        &self.console
    }

    /// The number of violations of the Content-Security-Policy.
    pub async fn refusals(&mut self) -> usize {
        self.console().await.iter().filter(|entry| entry.is_about_the_policy()).count()
    }

    /// No mistake in a script, nothing that the Content-Security-Policy forbade.
    pub async fn logs_no_errors(mut self) {
        self.logs_errors_only(|_| false).await;
    }

    /// The same, except Chromium's own lines about a lost server.
    pub async fn logs_errors_only_about_the_lost_server(mut self) {
        self.logs_errors_only(Entry::is_about_a_lost_server).await;
    }

    async fn logs_errors_only(&mut self, may: fn(&Entry) -> bool) {
        let errors: Vec<_> =
            self.console().await.iter().filter(|entry| entry.is_error() && !may(entry)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

fn capabilities(chromium: &Path, profile: &Path) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
    let capabilities = json!({
        "goog:chromeOptions": { "binary": chromium, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    capabilities.as_object().expect("an object").clone()
}
