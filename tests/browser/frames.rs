//! Every message is drawn as the frame that carried it: RFC 6455, section 5.2.

use crate::support::{Browser, Window, server, server_with};
use serde_json::{Value, json};

/// Lengths at which the header changes: payload, header to the server, header from the server.
const LENGTHS: [(usize, &str, &str); 5] = [
    (0, "8180", "8100"),
    (125, "81fd", "817d"),
    (126, "81fe007e", "817e007e"),
    (65_535, "81feffff", "817effff"),
    (65_536, "81ff0000000000010000", "817f0000000000010000"),
];

#[tokio::test]
async fn every_length_is_drawn_as_it_goes_over_the_wire() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("session.max_message", "1MiB"), ("session.outbox_bytes", "2MiB")]);
    let window = browser.joins(&server, "").await;

    for (length, sent, received) in LENGTHS {
        publishes_of_length(&window, length).await;
        for (direction, header, mask) in [("sent", sent, "4"), ("received", received, "0")] {
            let frame = format!("[data-direction={direction}][data-payload-length='{length}']");
            window.has(&format!(".strip{frame}")).await;
            assert_eq!(
                drawn(&window, &format!(".strip{frame}")).await,
                expected(direction, header, mask, length)
            );
        }
        window.has(&format!(".drawing[data-direction=received][data-payload-length='{length}']")).await;
    }
    browser.logs_no_errors().await;
}

async fn publishes_of_length(window: &Window, length: usize) {
    window.fills("#message", &"x".repeat(length)).await;
    window.clicks("#publish").await;
    if length == 0 {
        window.clicks("#publish").await; // asked whether that is meant
    } else if length > 64 * 1024 {
        window.clicks("dialog button[value=send]").await;
    }
}

async fn drawn(window: &Window, selector: &str) -> Value {
    window.evaluates("{ ...document.querySelector(arguments[0]).dataset }", selector).await
}

fn expected(direction: &str, header: &str, mask: &str, length: usize) -> Value {
    json!({
        "direction": direction,
        "opcode": "1",
        "header": header,
        "headerLength": (header.len() / 2).to_string(),
        "maskLength": mask,
        "payloadLength": length.to_string(),
    })
}

#[tokio::test]
async fn a_frame_unfolds_to_its_bits_with_their_names() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    window.clicks("#rows li.sent button.frame").await;
    window.has(".drawing[data-direction=sent][data-header='8192']").await;
    assert_eq!(window.text(".drawing .box.header").await, "811FINcomplete000RSVunused0001opcodetext");
    assert_eq!(window.text(".drawing .box.header + .box.header").await, "921MASKmasked0010010length18 bytes");
    assert_eq!(window.text(".drawing .box.mask").await, "·· ·· ·· ··×4maskrandom");
    let caption = window.text(".drawing figcaption").await;
    assert!(
        caption.starts_with("To the server: 2 bytes of header and 4 of masking key for 18 of payload."),
        "{caption}"
    );
    assert_eq!(window.text("#rows li.sent .unseen").await, "text, 18 bytes in a frame of 24");
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_cost_of_headers_is_compared_with_that_of_requests() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    window.shows("#messages", "3 messages").await;
    window.shows("[data-cost=frames] .sum", "10").await; // 6 to the server, twice 2 from it
    let requests = window.text("[data-cost=requests] .sum").await;
    let bytes: usize = requests.trim_start_matches("about ").replace(',', "").parse().unwrap();
    assert!((900..4000).contains(&bytes), "{requests}");
    browser.logs_no_errors().await;
}
