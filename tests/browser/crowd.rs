//! Ten thousand messages.

use crate::{
    process::Server,
    support::{Browser, server_with, within},
};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tungstenite::Message;

const MESSAGES: usize = 10_000;

/// Notes how long the page kept a person waiting: the longest task of its thread, in ms.
const WATCH: &str = "
    window.longest = 0;
    const note = (entries) => {
      for (const { duration } of entries.getEntries()) window.longest = Math.max(window.longest, duration);
    };
    new PerformanceObserver(note).observe({ type: 'longtask' });";

#[tokio::test]
async fn ten_thousand_messages_do_not_slow_it_down() {
    let Some(browser) = Browser::start().await else { return };
    // A busy machine may draw late.
    let server = server_with(&[("session.outbox_messages", MESSAGES)]);
    let window = browser.opens_with(WATCH, &server).await;
    window.has_line("client: received from client: hello").await;

    publish_very_much(&server).await;
    window.has_line(&format!("client: received message {MESSAGES}")).await;
    window.shows("#messages", "10,003 messages").await;
    let rows = window.evaluates("document.querySelectorAll('#rows li').length", "").await;
    assert_eq!(rows, 200, "the others are counted, no longer shown");
    window.shows("#earlier", "9,804 earlier lines counted, no longer shown").await;
    let longest = window.evaluates("window.longest", "").await.as_f64().unwrap();
    assert!(longest < 2_000.0, "the page did not answer for {longest} ms");

    window.publishes("still quick").await;
    window.has_line("client: received still quick").await;
    browser.logs_no_errors().await;
}

/// The browser itself moves the log, as when rows turn out to be higher than they were thought to
/// be.
const MOVED_BY_NOBODY: &str = "const [done] = arguments;
    const log = document.querySelector('#log');
    log.addEventListener('scroll', () => setTimeout(done), { once: true });
    log.scrollTop -= 500;";

#[tokio::test]
async fn the_log_follows_a_burst_of_messages() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("session.outbox_messages", MESSAGES)]);
    let window = browser.joins(&server, "").await;
    publish_very_much(&server).await;
    window.has_line(&format!("client: received message {MESSAGES}")).await;
    within("the end of the log", async { while !window.is_at_the_end().await {} }).await;

    window.awaits(MOVED_BY_NOBODY).await;
    publish_very_much(&server).await;
    window.has_line(&format!("client: received message {MESSAGES}")).await;
    within("the end of the log", async { while !window.is_at_the_end().await {} }).await;
    browser.logs_no_errors().await;
}

async fn publish_very_much(server: &Server) {
    let publishing = async {
        let address = format!("ws://{}/websocket?echo=false", server.listeners[0]);
        let (mut socket, _) = connect_async(address).await.expect("a session");
        for number in 1..=MESSAGES {
            socket.feed(Message::text(format!("message {number}"))).await.expect("the server takes it");
        }
        socket.close(None).await.expect("the server takes it");
        // A client that leaves with unread messages resets the connection.
        while socket.next().await.is_some() {}
    };
    within("ten thousand messages", publishing).await;
}
