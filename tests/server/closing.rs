//! The end of a session: close codes, and the delivery of the last messages (RFC 6455 §7).

use crate::support::{End, Host, TestServer, frame, hex, text};
use std::time::Duration;
use tungstenite::Message;
use worldcast::config::ByteSize;

#[actix_web::test]
async fn a_close_frame_is_answered_with_its_own_code() {
    let server = TestServer::start().await;
    for code in [1000, 1001, 3000, 4999] {
        assert_eq!(server.join("news").await.closes(code).await, End::Code(code));
    }
}

#[actix_web::test]
async fn a_close_frame_without_a_code_is_answered_without_a_code() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;

    anna.sends(frame(0x88, b"")).await;
    assert_eq!(anna.reads_to_the_end().await, hex("88 00"));
}

#[actix_web::test]
async fn a_close_frame_is_answered_once() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;

    anna.sends(frame(0x88, b"\x03\xe8").repeat(3)).await;
    assert_eq!(anna.reads_to_the_end().await, hex("88 02 03 e8"));
}

#[actix_web::test]
async fn a_close_frame_is_answered_after_all_earlier_messages() {
    let server = TestServer::start().await;
    for last in [frame(0x88, b"\x03\xe8"), frame(0x83, b"")] {
        let mut anna = server.join_raw("news").await;
        anna.sends([text("one").repeat(300), last].concat()).await;
        let received = anna.reads_to_the_end().await;
        let (messages, rest) = received.split_at(5 * 300);
        assert_eq!(messages, hex("81 03 6f 6e 65").repeat(300));
        assert_eq!(rest[0], 0x88, "{rest:x?}");
        assert_eq!(rest.len(), 2 + usize::from(rest[1]), "and nothing behind it");
    }
}

#[actix_web::test]
async fn the_server_closes_the_connection_first() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;

    anna.sends(hex("88 82 00 00 00 00 03 e8")).await;
    assert_eq!(anna.reads_to_the_end().await, hex("88 02 03 e8")); // anna has not closed her side
}

#[actix_web::test]
async fn a_broken_rule_ends_the_session_with_the_code_that_names_it() {
    let server = TestServer::start().await;
    let too_many_fragments = [frame(0x01, b""), frame(0x00, b"").repeat(1024)].concat();
    let cases = [
        ("an unmasked frame", hex("81 02 68 69"), 1002),
        ("a reserved opcode", frame(0x83, b"hi"), 1002),
        ("a reserved bit", frame(0xa1, b"hi"), 1002),
        ("compression that was not agreed on", frame(0xc1, b"hi"), 1002),
        ("a continuation of nothing", frame(0x80, b"hi"), 1002),
        ("a message within a message", [frame(0x01, b"a"), text("b")].concat(), 1002),
        ("a ping in fragments", frame(0x09, b"hi"), 1002),
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("a length in a long form", hex("81 fe 00 02 00 00 00 00 68 69"), 1002),
        ("half a code", frame(0x88, &[3]), 1002),
        ("a code that is never sent", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        ("text cut off within a character", frame(0x81, b"\xc3"), 1007),
        ("a rest that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("more fragments than the server accepts", too_many_fragments, 1008),
        ("more than a message may have", hex("82 ff 00 00 00 00 00 01 00 01"), 1009),
    ];
    for (offence, bytes, code) in cases {
        let mut anna = server.join_raw("news").await;
        anna.sends(bytes).await;
        assert_eq!(anna.becomes_a_client().await.ended_with().await, End::Code(code), "{offence}");
    }
}

#[actix_web::test]
async fn a_message_may_have_max_message_bytes_and_not_one_more() {
    let server = TestServer::with(|settings| settings.session.max_message = ByteSize::from_bytes(1000)).await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("news").await;

    anna.publishes("x".repeat(1000)).await;
    assert_eq!(bert.receives().await.len(), 1000);
    anna.publishes("x".repeat(1001)).await;
    assert_eq!(anna.ended_with().await, End::Code(1009));
}

#[actix_web::test]
async fn fragments_count_together() {
    let server = TestServer::with(|settings| settings.session.max_message = ByteSize::from_bytes(1000)).await;
    let mut anna = server.join_raw("news").await;

    anna.sends([frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat()).await;
    assert_eq!(anna.becomes_a_client().await.ended_with().await, End::Code(1009));
}

/// A server that drops such a socket resets the connection, and the code is lost more often than
/// not.
#[actix_web::test]
async fn the_code_arrives_although_the_client_keeps_sending() {
    let server = TestServer::start().await;
    let flood = vec![0x2a; 4 << 20];
    for _ in 0..20 {
        for (offence, code) in [(frame(0x83, b""), 1002), (hex("82 ff 00 00 00 00 00 01 00 01"), 1009)] {
            let mut anna = server.join_raw("news").await;
            anna.sends(offence).await;
            anna.sends(&flood).await;
            assert_eq!(anna.becomes_a_client().await.ended_with().await, End::Code(code));
        }
    }
}

#[actix_web::test]
async fn messages_before_a_close_frame_are_delivered_and_none_after_it() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    let mut anna = server.join_raw("news").await;

    anna.sends([text("last words"), frame(0x88, b"\x03\xe8"), text("an afterthought")].concat()).await;
    assert_eq!(bert.receives().await, "last words");
    anna.reads_to_the_end().await;
    drop(anna);
    server.has_clients("news", 1).await;
    bert.publishes("is anybody there?").await;
    // The afterthought would have come first.
    assert_eq!(bert.receives().await, "is anybody there?");
}

#[actix_web::test]
async fn messages_before_the_end_of_the_connection_are_delivered() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    for number in 0..20 {
        let mut anna = server.join_raw("news").await;
        anna.sends([text(&number.to_string()), text("half a message")[..9].to_vec()].concat()).await;
        drop(anna);
        assert_eq!(bert.receives().await, number.to_string());
    }
}

#[actix_web::test]
async fn a_broken_rule_ends_one_session_and_no_other() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    let mut anna = server.join_raw("news").await;

    anna.sends([text("before"), frame(0x83, b""), text("after")].concat()).await;
    assert_eq!(bert.receives().await, "before");
    anna.reads_to_the_end().await;
    bert.sends(Message::Ping("still here?".into())).await;
    assert_eq!(bert.receives_message().await, Message::Pong("still here?".into()));
}

#[actix_web::test]
async fn a_client_that_does_not_answer_a_close_frame_is_aborted() {
    let server =
        TestServer::with(|settings| settings.session.close_within = Duration::from_millis(100)).await;
    let mut anna = server.join_raw("news").await;

    anna.sends(frame(0x88, b"\x03\xe8")).await;
    anna.reads_to_the_end().await; // anna keeps her side open, and the server frees its own
    server.has_clients("news", 0).await;
}
