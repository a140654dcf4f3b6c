//! A subscriber that is cut off receives the missed messages.

use crate::support::{Browser, Window, server, within};
use serde_json::json;

/// Number, text and mark of every message that the second subscriber received.
const RECEIVED: &str = "[...document.querySelectorAll('#numbered li')]
    .map((row) => [...row.children].map((part) => part.textContent))";

async fn press(window: &Window, button: &str) {
    window.shows("#cut", button).await;
    window.clicks("#cut").await;
}

#[tokio::test]
async fn a_subscriber_that_reconnects_receives_missed_messages_once_and_in_order() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "#tea").await, browser.joins(&server, "#tea").await);
    press(&anna, "Subscribe").await;
    anna.shows("#subscription", "Subscribed after message 0.").await;
    bert.publishes("before").await;
    anna.shows("#numbered .content", "before").await;

    press(&anna, "Cut the connection").await;
    anna.shows("#subscription", "Cut off. Send a message, here or in another window.").await;
    for words in ["one", "two", "three"] {
        bert.publishes(words).await;
        bert.has_line(&format!("client: received {words}")).await;
    }
    press(&anna, "Reconnect").await;
    anna.shows("#subscription", "Resumed, and received 3 missed messages.").await;
    bert.publishes("after").await;
    anna.shows("#numbered .content", "after").await;

    let received = json!([
        ["1", "before"],
        ["2", "one", "missed"],
        ["3", "two", "missed"],
        ["4", "three", "missed"],
        ["5", "after"],
    ]);
    assert_eq!(anna.evaluates(RECEIVED, "").await, received);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_second_subscriber_leaves_a_room_with_its_window() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "#tea").await, browser.joins(&server, "#tea").await);
    press(&anna, "Subscribe").await;
    bert.shows("#presence", "3 in the room").await;

    anna.fills("#address", "coffee").await;
    anna.clicks("#connect").await;
    bert.shows("#presence", "1 in the room").await;
    press(&anna, "Subscribe").await;
    anna.shows("#presence", "2 in the room").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_subscriber_notices_a_server_that_stands_still_and_misses_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let anna = browser.joins(&server, "#tea").await;
    press(&anna, "Subscribe").await;
    anna.shows("#subscription", "Subscribed after message 0.").await;
    server.stands_still();
    anna.evaluates("void dispatchEvent(new Event('online'))", "").await;
    anna.shows("#subscription", "Cut off. It reconnects by itself.").await;
    server.continues();
    anna.is("open").await;
    anna.publishes("again").await;
    anna.shows("#numbered .content", "again").await;
    browser.logs_errors_only_about_the_lost_server().await;
}

/// Publishes before the room is open, at an address that is relative to the page.
const PUBLISHES_AT_ONCE: &str = "const done = arguments[0];
    import('./worldcast.js').then(async ({ Room }) => {
      const room = new Room('websocket/tea');
      const { offset } = await room.publish({ tea: [1] });
      room.close();
      done(offset);
    });";

#[tokio::test]
async fn a_script_of_a_page_may_publish_before_its_room_is_open() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let anna = browser.joins(&server, "#tea").await;
    assert_eq!(within("an offset", anna.awaits(PUBLISHES_AT_ONCE)).await, 1);
    anna.has_line(r#"client: received {"tea":[1]}"#).await;
    browser.logs_no_errors().await;
}
