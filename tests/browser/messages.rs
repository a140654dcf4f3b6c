//! Messages from one window to another.

use crate::{
    process::Server,
    support::{Browser, server, server_with, within},
};
use fantoccini::key::Key;
use std::fs;

#[tokio::test]
async fn the_lesson_happens_on_the_page_on_the_console_and_in_the_log() {
    happens_once(&server()).await;
}

#[tokio::test]
async fn the_lesson_happens_with_the_page_inside_the_program() {
    happens_once(&server_with(&[("page.directory", "no such directory")])).await;
}

const LESSON: [&str; 5] = [
    "client: ws connection is open",
    "client: sent from client: hello",
    "client: received world",
    "client: received from client: hello",
    "client: ws connection is closed (1000 normal closure)",
];

async fn happens_once(server: &Server) {
    let Some(mut browser) = Browser::start().await else { return };
    let window = browser.joins(server, "").await;
    window.clicks("#close").await;
    window.has_line(LESSON[4]).await;

    assert_eq!(window.lines().await, LESSON);
    let console = browser.console().await;
    for line in LESSON {
        assert!(console.iter().any(|entry| entry.contains(line)), "{line} in {console:#?}");
    }
    assert_eq!(server.log.count("server: receive connection."), 1);
    assert_eq!(server.log.count("server: received: from client: hello"), 1);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_message_of_one_window_is_delivered_to_the_other() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "#tea").await, browser.joins(&server, "#tea").await);

    anna.publishes("Tea, anyone?").await;
    bert.has_line("client: received Tea, anyone?").await;
    bert.fills("#message", "Yes, please! ☕").await;
    bert.clicks("#publish").await;
    anna.has_line("client: received Yes, please! ☕").await;

    anna.has_line("client: sent Tea, anyone?").await;
    assert_eq!(anna.value("#message").await, "");
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_file_crosses_byte_for_byte_as_binary() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "").await, browser.joins(&server, "").await);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("five bytes");
    fs::write(&file, [0x00, 0x41, 0xff, 0x80, 0x0a]).unwrap();

    anna.publishes_file(&file).await;
    bert.has_line("client: received 5 bytes (binary)").await;
    bert.has(".drawing[data-direction=received][data-opcode='2'][data-payload-length='5']").await;
    assert_eq!(bert.text(".drawing .cells").await, "00·41Aff·80·0a·");
    browser.logs_no_errors().await;
}

const MARKUP: [&str; 4] = [
    "<img src=x onerror='window.hurt = true'>",
    "<script>window.hurt = true</script>",
    "</p></li></ol><svg onload=window.hurt=true>",
    "&lt;b&gt; <b>bold</b> javascript:window.hurt=true",
];

#[tokio::test]
async fn markup_from_one_window_is_text_in_the_other() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "").await, browser.joins(&server, "").await);

    for markup in MARKUP {
        anna.publishes(markup).await;
        bert.has_line(&format!("client: received {markup}")).await;
    }
    for window in [&anna, &bert] {
        assert_eq!(
            window.evaluates("document.querySelectorAll('#rows .line *:not(span, bdi)').length", "").await,
            0
        );
        assert_eq!(window.evaluates("window.hurt ?? false", "").await, false);
    }
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn markup_in_the_greeting_is_text() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("rooms.greeting", MARKUP[0])]);
    let window = browser.opens(&server, "").await;

    window.has_line(&format!("client: received {}", MARKUP[0])).await;
    assert_eq!(window.evaluates("window.hurt ?? false", "").await, false);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_reader_further_up_is_not_disturbed_and_sees_the_number_of_new_lines() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "#tea").await, browser.joins(&server, "#tea").await);
    for number in 1..=30 {
        anna.publishes(&format!("line {number}")).await;
    }
    anna.has_line("client: received line 30").await;
    anna.wheels("#log", -300).await;
    let up = "document.querySelector('#log').scrollTop + 100
        < document.querySelector('#log').scrollHeight - document.querySelector('#log').clientHeight";
    within("the log to move", async { while anna.evaluates(up, "").await != true {} }).await;

    for news in ["one", "two", "three"] {
        bert.publishes(news).await;
        anna.has_line(&format!("client: received {news}")).await;
    }
    anna.shows("#newest:not([hidden])", "3 new ↓").await;
    assert_eq!(anna.evaluates(up, "").await, true);

    anna.clicks("#newest").await;
    anna.has("#newest[hidden]").await;
    assert!(anna.is_at_the_end().await);
    bert.publishes("four").await;
    anna.has_line("client: received four").await;
    within("the newest line", async { while !anna.is_at_the_end().await {} }).await;

    anna.wheels("#log", -300).await;
    within("the log to move", async { while anna.evaluates(up, "").await != true {} }).await;
    anna.publishes("my own words").await;
    anna.has_line("client: received my own words").await;
    within("one's own words", async { while !anna.is_at_the_end().await {} }).await;

    anna.presses("#log", Key::PageUp).await;
    within("the log to move by a key", async { while anna.evaluates(up, "").await != true {} }).await;
    bert.publishes("five").await;
    anna.shows("#newest:not([hidden])", "1 new ↓").await;
    assert_eq!(anna.evaluates(up, "").await, true);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_enter_that_ends_a_composition_does_not_send() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "#tea").await;
    for composing in ["keyCode: 229", "isComposing: true"] {
        let enter = format!("{{ key: 'Enter', bubbles: true, cancelable: true, {composing} }}");
        window.fills("#message", "日本").await;
        let press = format!(
            "document.querySelector('#message').dispatchEvent(new KeyboardEvent('keydown', {enter}))"
        );
        window.evaluates(&press, "").await;
    }
    assert_eq!(window.value("#message").await, "日本");
    window.publishes("日本語").await;
    window.has_line("client: received 日本語").await;
    assert_eq!(server.log.count("server: received: "), 1, "{}", server.log.text());
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn sent_and_received_messages_look_different() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    let arrows = "[...document.querySelectorAll('#rows li')].map((row) => row.querySelector('.way').textContent).join()";
    let expected = ",↑,↓,↓"; // open, hello, world, hello
    assert_eq!(window.evaluates(arrows, "").await, expected);
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn an_empty_or_large_message_is_sent_only_after_confirmation() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    window.clicks("#publish").await;
    window
        .shows("#hint", "Nothing is typed. Send once more for an empty message: a frame may have no payload.")
        .await;
    let large = "x".repeat(64 * 1024 + 1);
    window.fills("#message", &large).await;
    window.clicks("#publish").await;
    window.has("#dialog[open]").await;
    window.clicks("dialog button[value=keep]").await;
    window.has("#dialog:not([open])").await;
    assert_eq!(window.value("#message").await, large.as_str());

    window.clicks("#publish").await;
    window.clicks("dialog button[value=send]").await;
    window.is("closed").await;
    let ending = window.text("#sentence").await;
    assert!(ending.starts_with("The server closed: 1009 "), "{ending}");
    assert_eq!(server.log.count("server: received: "), 1, "{}", server.log.text());
    browser.logs_no_errors().await;
}
