//! The greeting of the page: once for each visit, and in the default room only.

use crate::support::{Browser, Window, server, server_with};

async fn connects(window: &Window, address: &str) {
    window.fills("#address", address).await;
    window.clicks("#connect").await;
}

#[tokio::test]
async fn a_visit_greets_once() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    connects(&window, "tea").await;
    window.shows("#room", "tea").await;
    window.is("open").await;
    connects(&window, "/websocket").await;
    window.shows("#room", "lobby").await;
    window.is("open").await;
    window.publishes("still here").await;
    window.has_line("client: received still here").await;
    assert_eq!(server.log.count("from client: hello"), 1);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_room_of_its_own_is_not_greeted() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "#tea").await;
    window.publishes("Tea, anyone?").await;
    window.has_line("client: received Tea, anyone?").await;
    assert_eq!(server.log.count("server: received: "), 1, "{}", server.log.text());
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_room_that_requires_a_key_for_publishing_delivers_without_one() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("publish.anyone", false)]);
    let window = browser.opens(&server, "").await;
    window.has_line("client: publishing in this room requires a key; receiving does not").await;
    window.shows("#presence", "1 in the room").await;
    window.is("open").await;

    window.publishes("and I?").await;
    window.is("closed").await;
    let ending = window.text("#sentence").await;
    assert_eq!(ending, "The server closed: 1008 publishing in this room requires a key");
    window.clicks("#connect").await;
    window.shows("#presence", "1 in the room").await;
    window.is("open").await;
    assert_eq!(server.log.count("server: receive connection."), 3);
    browser.logs_no_errors().await;
}
