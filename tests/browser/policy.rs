//! Restrictions of the browser by the policy of the server.

use crate::support::{Browser, server, within};

/// Attempts of an attacker that can insert markup into the page.
const INTRUSIONS: [&str; 5] = [
    "document.head.append(Object.assign(document.createElement('script'), { text: 'window.hurt = true' }))",
    "document.head.append(Object.assign(document.createElement('script'), { src: 'http://localhost:9/evil.js' }))",
    "document.body.append(Object.assign(document.createElement('img'), { src: 'http://localhost:9/secret' }))",
    "document.body.setAttribute('onclick', 'window.hurt = true'), document.body.click()",
    "fetch('http://localhost:9/secret').catch(() => {})",
];

#[tokio::test]
async fn only_scripts_and_files_of_the_server_run_and_load() {
    let Some(mut browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    for intrusion in INTRUSIONS {
        let before = browser.refusals().await;
        window.evaluates(&format!("void ({intrusion})"), "").await;
        within(intrusion, async { while browser.refusals().await == before {} }).await;
    }
    assert_eq!(window.evaluates("window.hurt ?? false", "").await, false);
}
