//! Compression as it is agreed on and used (RFC 7692): for who wants it, and the same to the ear.

use crate::support::{Answer, End, Host, Raw, TestServer, answer_with, frame, handshake, upgrade};
use actix_web::test::TestRequest;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use worldcast::config::Settings;

/// The answer of a server without context takeover (RFC 7692 §7.1.1).
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The first byte of a compressed text message in one frame (RFC 7692 §6).
const COMPRESSED_TEXT: u8 = 0xc1;

/// The tail that a flush leaves at the end of a message, and that is not sent (RFC 7692 §7.2.1).
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

async fn offered(offers: &[&'static str]) -> Answer {
    offered_to(|_| (), offers).await
}

async fn offered_to(adjust: impl FnOnce(&mut Settings), offers: &[&'static str]) -> Answer {
    let offer = |request: TestRequest, offer| request.append_header(("Sec-WebSocket-Extensions", offer));
    answer_with(adjust, offers.iter().copied().fold(upgrade("/websocket"), offer)).await
}

/// A client that has agreed on compression and has received the greeting.
async fn join_compressed(server: &TestServer, parameters: &str) -> Raw {
    let offer = format!("Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n");
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(handshake("/websocket/news", &offer)).await;
    let head = raw.reads_head().await;
    assert!(head.contains("permessage-deflate"), "{head}");
    raw.is_greeted().await;
    raw
}

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(plain.len() + 100);
    let mut stream = Compress::new(flate2::Compression::best(), false);
    stream.compress_vec(plain, &mut deflated, FlushCompress::Sync).unwrap();
    assert_eq!(deflated.split_off(deflated.len() - 4), FLUSHED);
    deflated
}

fn inflated(deflated: &[u8]) -> String {
    let mut plain = Vec::with_capacity(100 << 10);
    let whole = [deflated, &FLUSHED].concat();
    Decompress::new(false).decompress_vec(&whole, &mut plain, FlushDecompress::Sync).unwrap();
    String::from_utf8(plain).unwrap()
}

#[actix_web::test]
async fn compression_is_negotiated_with_every_client_that_offers_it() {
    let browser = "permessage-deflate; client_max_window_bits";
    assert_eq!(offered(&[browser]).await.header("sec-websocket-extensions"), AGREED);
    let several = ["x-unknown", "permessage-deflate; server_max_window_bits=13, permessage-deflate"];
    let expected = format!("{AGREED}; server_max_window_bits=12");
    assert_eq!(offered(&several).await.header("sec-websocket-extensions"), expected);
}

#[actix_web::test]
async fn an_offer_that_cannot_be_kept_is_declined_and_the_session_begins_without_it() {
    for offer in [
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; =",
        "x-webkit-deflate-frame",
        ";;,",
        "",
    ] {
        let answer = offered(&[offer]).await;
        assert_eq!(answer.status, 101, "{offer}");
        assert!(!answer.headers.contains_key("sec-websocket-extensions"), "{offer}");
    }
    assert!(!offered(&[]).await.headers.contains_key("sec-websocket-extensions"), "nobody asked");
}

#[actix_web::test]
async fn an_operator_can_do_without_compression() {
    let answer = offered_to(|settings| settings.compression.enabled = false, &["permessage-deflate"]).await;
    assert_eq!(answer.status, 101);
    assert!(!answer.headers.contains_key("sec-websocket-extensions"));
}

#[actix_web::test]
async fn messages_are_the_same_with_compression_and_without() {
    let server = TestServer::start().await;
    let mut wide = join_compressed(&server, "").await;
    let mut narrow = join_compressed(&server, "; server_max_window_bits=9").await;
    let mut plain = server.join("news").await;
    let text = "once for all, and again ".repeat(15);

    plain.publishes(text.clone()).await;
    assert_eq!(plain.receives().await, text);
    for compressed in [&mut wide, &mut narrow] {
        let (first, payload) = compressed.reads_frame().await;
        assert_eq!(first, COMPRESSED_TEXT);
        assert_eq!(inflated(&payload), text);
    }

    narrow.sends(frame(COMPRESSED_TEXT, &deflated(text.as_bytes()))).await;
    assert_eq!(plain.receives().await, text);
    assert_eq!(inflated(&wide.reads_frame().await.1), text);
}

#[actix_web::test]
async fn a_small_message_is_sent_as_it_is() {
    let server = TestServer::start().await;
    let mut anna = join_compressed(&server, "").await;

    anna.sends(frame(COMPRESSED_TEXT, &deflated(b"hello"))).await;
    anna.receives("81 05 68 65 6c 6c 6f").await;
}

#[actix_web::test]
async fn a_bomb_is_refused_for_its_size() {
    let server = TestServer::start().await;
    let mut anna = join_compressed(&server, "").await;

    anna.sends(frame(0xc2, &deflated(&vec![0; 10 << 20]))).await;
    assert_eq!(anna.becomes_a_client().await.ended_with().await, End::Code(1009));
}

#[actix_web::test]
async fn data_that_is_no_deflate_stream_is_refused() {
    let server = TestServer::start().await;
    let mut anna = join_compressed(&server, "").await;

    anna.sends(frame(0xc2, &[0x07])).await; // a block of a type that does not exist
    assert_eq!(anna.becomes_a_client().await.ended_with().await, End::Code(1007));
}
