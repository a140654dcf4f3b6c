//! Open, closed, lost, reconnected.

use crate::support::{Browser, LIGHT_DICE, LOADED_DICE, PATIENCE, Window, server, server_with, within};
use fantoccini::key::Key;

#[tokio::test]
async fn a_browser_without_websocket_shows_a_notice() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with("delete window.WebSocket", &server).await;

    window.has("#unsupported:not([hidden])").await;
    assert!(window.is_visible("#unsupported").await);
    assert!(window.text("#unsupported").await.contains("This browser does not support WebSocket"));
    assert!(!window.is_visible("#page").await);
    browser.logs_no_errors().await;
}

/// Chromium has modules, so the script for older browsers is inserted.
const OUTDATED: &str = "void document.head.append(Object.assign(
    document.createElement('script'), { src: document.querySelector('script[nomodule]').src }))";

#[tokio::test]
async fn a_browser_that_is_too_old_for_the_page_shows_a_notice() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    assert!(!window.is_visible("#outdated").await);

    window.evaluates(OUTDATED, "").await;
    window.has("#outdated:not([hidden])").await;
    assert!(window.is_visible("#outdated").await);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_browser_with_websocket_shows_its_support() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    window.shows("#facts li", "This browser supports WebSocket").await;
    window.shows("#compression:not([hidden])", "Compression agreed: permessage-deflate").await;
    window.shows("#sentence", "Open").await;
    assert!(!window.is_visible("#unsupported").await);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_page_reconnects_by_itself_when_the_server_returns() {
    let Some(browser) = Browser::start().await else { return };
    let mut server = server();
    let address = server.listeners[0].to_string();
    let window = browser.opens_with(SENTENCES, &server).await;
    window.has_line("client: received from client: hello").await;

    server.terminate();
    window.has_line("client: ws connection is closed (1012 the server restarts)").await;
    shows_in_turn(&window, &["Lost: 1012 the server restarts. Trying again in 1 s"]).await;
    assert!(server.exit(PATIENCE).await.is_some());

    let server = server_with(&[("listen", address)]);
    window.is("open").await;
    window.publishes("back again").await;
    window.has_line("client: received back again").await;
    assert_eq!(server.log.count("from client: hello"), 0, "a page that reconnects does not greet again");
    browser.logs_errors_only_about_the_lost_server().await;
}

/// Records every sentence of the page about the connection, however short.
const SENTENCES: &str = "
    window.sentences = [];
    addEventListener('DOMContentLoaded', () => {
      const sentence = document.getElementById('sentence');
      const note = () => window.sentences.push(sentence.textContent);
      new MutationObserver(note).observe(sentence, { childList: true });
    });";

/// Waits until the page has shown these sentences, one after the other.
async fn shows_in_turn(window: &Window, expected: &[&str]) {
    let shown = async {
        loop {
            let sentences: Vec<String> =
                serde_json::from_value(window.evaluates("window.sentences", "").await).expect("texts");
            let mut all = sentences.iter();
            if expected.iter().all(|expected| all.any(|shown| shown == expected)) {
                return;
            }
        }
    };
    within(expected.join(", "), shown).await;
}

/// Every random number is the highest.
const DICE: &str = "window.thrown = 0; Math.random = () => { window.thrown += 1; return 1; };";

#[tokio::test]
async fn each_wait_is_longer_than_the_last_and_left_to_chance() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with(&format!("{DICE}{SENTENCES}"), &server).await;
    window.has_line("client: received from client: hello").await;

    server.terminate();
    let waits = [
        "Lost: 1012 the server restarts. Trying again in 1 s",
        "Lost: 1006 abnormal closure. Trying again in 2 s",
        "Lost: 1006 abnormal closure. Trying again in 4 s",
    ];
    shows_in_turn(&window, &waits).await;
    assert!(window.evaluates("window.thrown", "").await.as_u64() >= Some(3));
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn an_outage_is_one_line_with_a_count() {
    let Some(browser) = Browser::start().await else { return };
    let mut server = server();
    let address = server.listeners[0].to_string();
    let window = browser.opens_with(LIGHT_DICE, &server).await;
    window.has_line("client: received from client: hello").await;
    let before = window.lines().await.len();

    server.terminate();
    assert!(server.exit(PATIENCE).await.is_some());
    window.has_line("client: still not connected, 3 attempts failed (1006 abnormal closure)").await;
    let lines = window.lines().await;
    assert_eq!(lines.len(), before + 2, "{lines:#?}");
    assert_eq!(lines[before], "client: ws connection is closed (1012 the server restarts)");

    let _server = server_with(&[("listen", address)]);
    window.is("open").await;
    window.shows("#rows li:nth-last-child(2) .line", "client: ws connection is open").await;
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn a_full_room_is_an_outage_of_one_line_too() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("limits.rooms", 1)]);
    let _lobby = browser.joins(&server, "").await;
    let window = browser.window().await;
    window.prepares(LIGHT_DICE).await;
    window.navigates_to(&format!("http://{}/#tea", server.listeners[0])).await;
    let sentence = "too many rooms: limits.rooms is reached"; // of the server
    let line = async {
        loop {
            let lines = window.lines().await;
            if lines
                .iter()
                .any(|line| line.starts_with("client: still not connected, 3 attempts failed (1013"))
            {
                return lines;
            }
        }
    };
    let lines = within(sentence, line).await;
    assert!(lines.len() <= 3, "{lines:#?}");
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    window.shows("#presence", "1 in the room").await;

    server.stands_still();
    window.has_line("client: ws connection is closed (1006 the server does not answer)").await;
    server.continues();
    window.is("open").await;
    window.publishes("back again").await;
    window.has_line("client: received back again").await;

    server.stands_still();
    window.clicks("#close").await;
    window.is("closed").await; // no answer to its close_frame keeps it
    server.continues();
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with(LOADED_DICE, &server).await;
    window.has_line("client: received from client: hello").await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // the kernel accepts
    window.fills("#address", &format!("{}/websocket", silent.local_addr().unwrap())).await;
    window.clicks("#connect").await;
    window.is("waiting").await;
    window.has_line("client: ws connection is closed (1006 no answer)").await;
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn losses_and_mistakes_have_the_color_of_warnings() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with(LOADED_DICE, &server).await;
    window.has_line("client: received from client: hello").await;
    let colour = "getComputedStyle(document.querySelector(arguments[0])).color";
    let usual = window.evaluates(colour, "#sentence").await;

    window.fills("#address", "http://[").await;
    window.clicks("#connect").await;
    window.has("#address[aria-invalid=true]").await;
    let warning = window.evaluates(colour, "#address-error").await;
    assert_ne!(warning, usual);

    server.terminate();
    window.is("waiting").await;
    window.publishes("to nobody").await;
    window.shows("#hint", "Not connected, so nothing was sent.").await;
    for part in ["#sentence", "#hint", "#rows .event:last-child .lead"] {
        assert_eq!(window.evaluates(colour, part).await, warning, "{part}");
    }
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn a_person_may_cancel_the_next_attempt() {
    let Some(browser) = Browser::start().await else { return };
    let mut server = server();
    let window = browser.opens_with(LOADED_DICE, &server).await;
    window.has_line("client: received from client: hello").await;

    server.terminate();
    window.is("waiting").await;
    assert_eq!(window.text("#close").await, "Cancel");
    window.clicks("#close").await;
    window.shows("#state[data-state=closed]", "Not connected").await;
    assert!(server.exit(PATIENCE).await.is_some());
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn a_connection_closed_by_hand_is_opened_by_hand() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    window.clicks("#close").await;
    window.shows("#state[data-state=closed]", "Closed by hand: 1000 normal closure").await;
    window.publishes("to nobody").await;
    window.shows("#hint", "Not connected, so nothing was sent.").await;
    assert_eq!(window.value("#message").await, "to nobody");

    window.clicks("#connect").await;
    window.is("open").await;
    window.shows("#hint", "").await;
    window.presses("#message", Key::Enter).await;
    window.has_line("client: received to nobody").await;
    assert_eq!(server.log.count("server: receive connection."), 2);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_window_sends_a_close_frame_when_it_is_closed_or_navigates() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    browser.joins(&server, "").await.closes().await;
    let leaving = browser.joins(&server, "").await;
    leaving.navigates_to("about:blank").await;

    let close_frame = "closes_total{code=\"1000\",reason=\"closed_by_client\"}";
    within("two close frames", async { while server.metrics().await.value(close_frame) < 2 {} }).await;
    browser.logs_no_errors().await;
}
