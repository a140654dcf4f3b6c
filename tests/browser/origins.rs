//! Pages of other origins, which the browser lets read what the server allows (Fetch, section 3.2).

use crate::support::{Browser, empty_page, server_with};
use serde_json::json;

/// A script that requests addresses of the server from a page: it returns the status or the code of
/// each answer, or the error of the browser.
fn asks(server: &str) -> String {
    format!(
        "const done = arguments[0];
        const asks = (path, options) => fetch('http://{server}' + path, options)
          .then(async (answer) => answer.ok ? answer.status : (await answer.json()).error, (error) => error.name);
        const headers = {{
          'Authorization': 'Bearer a-key', 'Cache-Control': 'no-cache', 'Content-Type': 'application/json',
          'Idempotency-Key': 'one', 'Last-Event-ID': 'none', 'X-Requested-With': 'XMLHttpRequest',
        }};
        Promise.all([
          asks('/rooms/tea', {{}}),
          asks('/rooms/tea/messages', {{ method: 'POST', headers, body: '{{}}' }}),
          asks('/rooms/tea', {{ method: 'DELETE' }}),
          asks('/rooms/not%20a%20room', {{}}),
          asks('/rooms', {{ headers }}),
          asks('/rooms/tea/no/thing', {{ headers }}),
        ]).then(done);"
    )
}

#[tokio::test]
async fn a_listed_page_reads_answers_and_refusals_and_another_reads_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let (listed, other) = (empty_page().await, empty_page().await);
    let server = server_with(&[("origins.allowed", format!("http://{listed}"))]);
    let asks = asks(&server.listeners[0].to_string());
    let window = browser.window().await;

    window.navigates_to(&format!("http://{listed}/")).await;
    let read = json!([200, 201, "method_not_allowed", "room_name", "key", "not_found"]);
    assert_eq!(window.awaits(&asks).await, read);

    window.navigates_to(&format!("http://{other}/")).await;
    assert_eq!(window.awaits(&asks).await, json!(vec!["TypeError"; 6]));
}
