//! Listening without WebSocket: the browser's own EventSource.

use crate::support::{Browser, server, within};

#[tokio::test]
async fn an_event_source_receives_messages_with_the_position_to_resume_from() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "#tea").await, browser.joins(&server, "#tea").await);
    let listens = "void (window.received = [], window.feed = new EventSource('rooms/tea/events'), \
                   feed.onmessage = (event) => received.push(`${event.lastEventId} ${event.data}`))";
    anna.evaluates(listens, "").await;
    within("the feed to open", async { while anna.evaluates("feed.readyState", "").await != 1 {} }).await;

    bert.publishes("one").await;
    bert.publishes("two").await;
    within("two events", async { while anna.evaluates("received.length", "").await != 2 {} }).await;
    let received =
        anna.evaluates("received.map((line) => line.replace(/^[0-9a-f]{16}-[0-9]+ /, ''))", "").await;
    assert_eq!(received, serde_json::json!(["one", "two"]));
    anna.evaluates("feed.close()", "").await;
    browser.logs_no_errors().await;
}
