//! One window of the browser.

use super::{vendor::devtools, within};
use fantoccini::{Client, Locator, elements::Element, key::Key, wd::WindowHandle};
use serde_json::{Value, json};
use std::path::Path;

pub struct Window {
    client: Client,
    handle: WindowHandle,
}

/// Resolves when an element that matches has exactly the text (any, where it is null). Sees what
/// changes without asking again and again.
const APPEARS: &str = "
    const [selector, text, done] = arguments;
    const fits = (element) => text === null || element.textContent === text;
    const look = () => {
      if (![...document.querySelectorAll(selector)].some(fits)) return;
      observer.disconnect();
      done();
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    look();";

const AT_THE_END: &str = "(() => {
    const { left, bottom } = document.querySelector('#rows li:last-child .line').getBoundingClientRect();
    return document.elementFromPoint(left + 4, bottom - 4)?.closest('li') === document.querySelector('#rows li:last-child');
    })()";

impl Window {
    pub fn new(client: Client, handle: WindowHandle) -> Self {
        Self { client, handle }
    }

    /// The browser with this window in front.
    async fn front(&self) -> &Client {
        self.client.switch_to_window(self.handle.clone()).await.expect("the window is open");
        &self.client
    }

    pub async fn navigates_to(&self, url: &str) {
        within(url, async { self.front().await.goto(url).await }).await.expect("a page");
    }

    pub async fn closes(self) {
        self.front().await.close_window().await.expect("an open window");
    }

    /// Runs `script` before those of every page that this window will show.
    pub async fn prepares(&self, script: &str) {
        let script = json!({ "source": script });
        devtools(self.front().await, "Page.addScriptToEvaluateOnNewDocument", script).await;
    }

    /// Prefers "light" or "dark", and has a screen of so many pixels.
    pub async fn looks(&self, scheme: &str, (width, height): (u32, u32)) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        devtools(self.front().await, "Emulation.setEmulatedMedia", features).await;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        devtools(&self.client, "Emulation.setDeviceMetricsOverride", screen).await;
    }

    // Observations.

    /// Waits for an element.
    pub async fn has(&self, selector: &str) {
        self.waits_for(selector, Value::Null).await;
    }

    /// Waits for an element with exactly this text.
    pub async fn shows(&self, selector: &str, text: &str) {
        self.waits_for(selector, text.into()).await;
    }

    /// Waits for a line of the log.
    pub async fn has_line(&self, line: &str) {
        self.shows("#rows .line", line).await;
    }

    /// Waits until the connection is `open`, `closed`, `waiting`.
    pub async fn is(&self, state: &str) {
        self.has(&format!("#state[data-state={state}]")).await;
    }

    async fn waits_for(&self, selector: &str, text: Value) {
        let what = format!("{selector} {text}");
        let arguments = vec![selector.into(), text];
        let appeared = async { self.front().await.execute_async(APPEARS, arguments).await };
        within(&what, appeared).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    /// The text of what matches, seen or not.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.evaluates("document.querySelector(arguments[0]).textContent", selector).await;
        text.as_str().expect("text").to_owned()
    }

    /// The value of a field.
    pub async fn value(&self, selector: &str) -> String {
        let value = self.evaluates("document.querySelector(arguments[0]).value", selector).await;
        value.as_str().expect("text").to_owned()
    }

    pub async fn lines(&self) -> Vec<String> {
        let lines = "[...document.querySelectorAll('#rows .line')].map((line) => line.textContent)";
        serde_json::from_value(self.evaluates(lines, "").await).expect("texts")
    }

    /// The value of a JavaScript expression about `argument`.
    pub async fn evaluates(&self, expression: &str, argument: &str) -> Value {
        let script = format!("return {expression}");
        let value = self.front().await.execute(&script, vec![argument.into()]).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub async fn is_visible(&self, selector: &str) -> bool {
        self.element(selector).await.is_displayed().await.expect("an element")
    }

    /// True if the log shows its last line, uncovered.
    pub async fn is_at_the_end(&self) -> bool {
        self.evaluates(AT_THE_END, "").await == true
    }

    // Actions.

    /// Turns the wheel of the mouse by so many pixels, where the element is.
    pub async fn wheels(&self, selector: &str, pixels: i32) {
        let middle = "(({ x, y, width, height }) => [x + width / 2, y + height / 2])
            (document.querySelector(arguments[0]).getBoundingClientRect())";
        let place = self.evaluates(middle, selector).await;
        let wheel =
            json!({ "type": "mouseWheel", "x": place[0], "y": place[1], "deltaX": 0, "deltaY": pixels });
        devtools(&self.client, "Input.dispatchMouseEvent", wheel).await;
    }

    pub async fn clicks(&self, selector: &str) {
        let clicked = self.element(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses a key while the cursor is in the element.
    pub async fn presses(&self, selector: &str, key: Key) {
        self.types(selector, &key).await;
    }

    /// Replaces what stands in a field, in one piece, as pasting does.
    pub async fn fills(&self, selector: &str, text: &str) {
        let select = "(field => { field.focus(); field.select(); })(document.querySelector(arguments[0]))";
        self.evaluates(select, selector).await;
        devtools(&self.client, "Input.insertText", json!({ "text": text })).await;
    }

    /// Types and presses Enter.
    pub async fn publishes(&self, text: &str) {
        self.fills("#message", text).await;
        self.presses("#message", Key::Enter).await;
    }

    pub async fn publishes_file(&self, path: &Path) {
        self.types("#file", path.to_str().expect("a path in UTF-8")).await;
    }

    async fn types(&self, selector: &str, keys: &str) {
        self.element(selector).await.send_keys(keys).await.expect("a place for keys");
    }

    async fn element(&self, selector: &str) -> Element {
        let found = self.front().await.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Runs a script that ends by calling its last argument.
    pub async fn awaits(&self, script: &str) -> Value {
        let ended = async { self.front().await.execute_async(script, vec![]).await };
        within("a script", ended).await.expect("a script without a mistake")
    }
}
