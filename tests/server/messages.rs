//! Messages arrive as they were published, byte for byte.

use crate::support::{Host, Raw, TestServer, frame, hex, text};
use tungstenite::Message;
use worldcast::config::ByteSize;

/// The sizes at which the form of a frame's length changes (RFC 6455 §5.2), and their neighbours.
const SIZES: [usize; 8] = [0, 1, 125, 126, 127, 65535, 65536, 100_000];

#[actix_web::test]
async fn text_arrives_as_text_and_bytes_as_bytes() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("news").await;

    for message in
        [Message::text("grüß dich 🌍\0\r\n"), Message::binary(vec![0, 255, 128]), Message::text("")]
    {
        anna.sends(message.clone()).await;
        assert_eq!(bert.receives_message().await, message);
    }
}

#[actix_web::test]
async fn a_message_of_any_size_arrives_byte_for_byte() {
    let server = TestServer::with(|settings| settings.session.max_message = ByteSize::from_kib(128)).await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("news").await;

    for size in SIZES {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        let text: String = ('a'..='z').cycle().take(size).collect();
        anna.publishes_binary(bytes.clone()).await;
        anna.publishes(text.clone()).await;
        assert!(bert.receives_binary().await == bytes, "{size} bytes");
        assert!(bert.receives().await == text, "{size} letters");
    }
}

#[actix_web::test]
async fn fragments_arrive_as_one_message_despite_control_frames_between_them() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    let mut anna = server.join_raw("news").await;

    anna.sends(frame(0x01, b"hel")).await;
    anna.sends(frame(0x89, b"a ping")).await;
    anna.receives("8a 06 61 20 70 69 6e 67").await; // answered before the message is whole
    anna.sends(frame(0x00, b"l")).await;
    anna.sends(frame(0x8a, b"a pong that nobody asked for")).await;
    anna.sends(frame(0x00, b"")).await;
    anna.sends(frame(0x80, b"o")).await;

    anna.receives("81 05 68 65 6c 6c 6f").await;
    assert_eq!(bert.receives().await, "hello");
}

#[actix_web::test]
async fn a_character_may_be_split_between_fragments() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;

    anna.sends(&[frame(0x01, b"gr\xc3"), frame(0x80, b"\xbc\xc3\x9f")].concat()).await;
    anna.receives("81 06 67 72 c3 bc c3 9f").await;
}

#[actix_web::test]
async fn bytes_may_arrive_one_by_one() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;

    for byte in [text("hello"), hex("82 84 01 02 03 04 00 00 00 00"), text("bye")].concat() {
        anna.sends([byte]).await;
    }
    anna.receives("81 05 68 65 6c 6c 6f 82 04 01 02 03 04 81 03 62 79 65").await;
}

#[actix_web::test]
async fn messages_in_the_packet_of_the_handshake_are_delivered() {
    let server = TestServer::start().await;
    let mut anna = Raw::connect(server.address()).await;

    let handshake = crate::support::handshake("/websocket/news", "");
    anna.sends(&[handshake.as_bytes(), &text("hello"), &text("bye")].concat()).await;

    assert!(anna.reads_head().await.starts_with("HTTP/1.1 101 "));
    anna.receives("81 05 77 6f 72 6c 64 81 05 68 65 6c 6c 6f 81 03 62 79 65").await;
}

#[actix_web::test]
async fn a_ping_is_answered_with_its_own_payload() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;

    let payload = vec![7; 125];
    anna.sends(Message::Ping(payload.clone().into())).await;
    assert_eq!(anna.receives_message().await, Message::Pong(payload.into()));
}
