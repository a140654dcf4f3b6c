//! Accessibility: screen readers, the keyboard, and all screens, in every state of the page.

use crate::{
    process::Server,
    support::{Axe, Browser, LOADED_DICE, Window, server, within},
};
use fantoccini::key::Key;
use serde_json::json;

const DESK: (u32, u32) = (1180, 820);
const PHONE: (u32, u32) = (360, 640);

/// The pixels by which the widest content exceeds its box.
const OVERFLOW: &str =
    "Math.max(...[...document.querySelectorAll('html, section, #log, #numbered, #lessons, .box')]
    .map(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth))";

/// Approved by axe-core in light and dark, at a desk and on a phone.
async fn is_accessible(window: &Window, state: &str) {
    let Some(axe) = Axe::find() else { return };
    for (scheme, screen) in [("light", DESK), ("dark", PHONE)] {
        window.looks(scheme, screen).await;
        axe.approves(window, &format!("{state}, {scheme}, {} pixels", screen.0)).await;
        let hidden = window.evaluates(OVERFLOW, "").await;
        assert_eq!(hidden, 0, "{state}: so many pixels do not fit into {}", screen.0);
    }
}

/// A page with messages: a long line, and a long word.
async fn with_messages(browser: &Browser, server: &Server) -> Window {
    let window = browser.joins(server, "").await;
    window.publishes(&"a long line without an end ".repeat(30)).await;
    window.publishes(&"x".repeat(300)).await;
    window.has(".strip[data-direction=received][data-payload-length='300']").await;
    window
}

#[tokio::test]
async fn the_open_page_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = with_messages(&browser, &server).await;
    window.shows("#presence", "1 in the room").await;
    is_accessible(&window, "open").await;
    window.clicks("summary").await;
    is_accessible(&window, "everything unfolded").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_closed_page_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = with_messages(&browser, &server).await;
    window.clicks("#close").await;
    window.is("closed").await;
    is_accessible(&window, "closed").await;
    window.fills("#address", "http://[").await;
    window.clicks("#connect").await;
    window.has("#address[aria-invalid=true]").await;
    is_accessible(&window, "wrong address").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_second_subscriber_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = with_messages(&browser, &server).await;
    for (button, state) in [("Subscribe", "Subscribed after message 3."), ("Cut the connection", CUT)] {
        window.shows("#cut", button).await;
        window.clicks("#cut").await;
        window.shows("#subscription", state).await;
    }
    window.publishes("an endless-word".repeat(30).as_str()).await;
    is_accessible(&window, "cut off").await;
    window.clicks("#cut").await;
    window.has("#numbered .missed").await;
    is_accessible(&window, "back").await;
    browser.logs_no_errors().await;
}

const CUT: &str = "Cut off. Send a message, here or in another window.";

#[tokio::test]
async fn the_waiting_page_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with(LOADED_DICE, &server).await;
    window.has_line("client: received from client: hello").await;
    server.terminate();
    window.is("waiting").await;
    is_accessible(&window, "waiting").await;
    browser.logs_errors_only_about_the_lost_server().await;
}

#[tokio::test]
async fn the_notice_of_an_unsupported_browser_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with("delete window.WebSocket", &server).await;
    window.has("#unsupported:not([hidden])").await;
    is_accessible(&window, "unsupported").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_question_before_a_large_message_is_accessible() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    window.fills("#message", &"x".repeat(64 * 1024 + 1)).await;
    window.clicks("#publish").await;
    window.has("#dialog[open]").await;
    is_accessible(&window, "asking").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_screen_reader_receives_announcements() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    window.publishes("Tea, anyone?").await;
    let shown =
        async { while !window.text("#announcer").await.ends_with("client: received Tea, anyone?") {} };
    within("the announcement", shown).await;
    window.has("#announcer[role=status]").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    let focused = "document.activeElement.id || document.activeElement.className";

    let mut way = Vec::new();
    for _ in 0..8 {
        window.presses(":focus, html", Key::Tab).await;
        way.push(window.evaluates(focused, "").await);
    }
    assert_eq!(way, ["second-window", "address", "connect", "close", "log", "frame", "message", "publish"]);

    window.evaluates("[...document.querySelectorAll('button.frame')].at(-1).focus()", "").await;
    window.presses(":focus", Key::Up).await;
    window.presses(":focus", Key::Up).await;
    window.presses(":focus", Key::Enter).await;
    window.has(".drawing[data-direction=sent][data-header='8192']").await;
    browser.logs_no_errors().await;
}

/// A laptop, a small desk, a phone.
const SCREENS: [(u32, u32); 5] = [(1366, 650), (1200, 800), (768, 1024), (360, 740), (360, 640)];

/// True for the composer, the button and the newest line if they are visible without scrolling, and
/// not covered.
const VISIBLE: &str = "['#message', '#publish', '#rows li:last-child .line'].map((part) => {
    const place = document.querySelector(part);
    const { left, top, bottom } = place.getBoundingClientRect();
    const isCovered = (y) => !place.contains(document.elementFromPoint(left + 6, y));
    return scrollY === 0 && top >= 0 && bottom <= innerHeight && !isCovered(top + 6) && !isCovered(bottom - 6); })";

/// The part of the screen above the chat.
const ABOVE: &str = "document.querySelector('#chat').getBoundingClientRect().top / innerHeight";

#[tokio::test]
async fn the_composer_is_visible_on_every_screen() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    for screen in SCREENS {
        let window = browser.window().await;
        window.looks("light", screen).await;
        window.navigates_to(&format!("http://{}/", server.listeners[0])).await;
        window.has_line("client: received from client: hello").await;
        assert_eq!(window.evaluates(VISIBLE, "").await, json!([true, true, true]), "{screen:?}");
        let above = window.evaluates(ABOVE, "").await.as_f64().expect("a number");
        assert!(above < 0.34, "{above} of {screen:?} are above the chat");
    }
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn on_a_phone_the_address_is_a_button_away() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    window.looks("light", PHONE).await;
    assert!(!window.is_visible("#address").await);
    window.clicks("#unfold").await;
    assert!(window.is_visible("#address").await);
    is_accessible(&window, "address unfolded").await;
    window.looks("light", PHONE).await;
    window.fills("#address", "tea").await;
    window.clicks("#connect").await;
    window.shows("#room", "tea").await;
    window.is("open").await;
    assert!(!window.is_visible("#address").await);
    browser.logs_no_errors().await;
}

/// The shape and the colour of the mark beside the state.
const MARK: &str = "(({ borderRadius, borderColor }) => [borderRadius, borderColor])
    (getComputedStyle(document.getElementById('state'), '::before'))";

#[tokio::test]
async fn waiting_looks_different_from_open() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.opens_with(LOADED_DICE, &server).await;
    window.has_line("client: received from client: hello").await;
    let open = window.evaluates(MARK, "").await;
    server.terminate();
    window.is("waiting").await;
    let waiting = window.evaluates(MARK, "").await;
    assert!(open[0] != waiting[0] && open[1] != waiting[1], "{open} and {waiting}");
    browser.logs_errors_only_about_the_lost_server().await;
}
