//! Publishing over HTTP: what is posted is what the room receives.

use crate::support::{Host, Http, Raw, TestServer, V1, output_of};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const NEWS: &str = "/rooms/news/messages";

#[actix_web::test]
async fn a_posted_message_is_delivered_to_the_room() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut bert = V1::connect(server.address(), "/websocket/news").await;
    let reply = Http::post(server.address(), NEWS).text("hello").reply().await;
    assert_eq!(reply.status, 201);
    let posted =
        json!({"room": "news", "epoch": bert.welcome["epoch"], "offset": 1, "messages": 1, "received": 2});
    assert_eq!(reply.json(), posted);

    assert_eq!(anna.receives().await, "hello");
    let message = bert.receives().await;
    assert_eq!((&message["offset"], &message["text"]), (&json!(1), &json!("hello")));
    assert!(message.get("who").is_none());
}

#[actix_web::test]
async fn text_is_text_and_everything_else_is_bytes() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    Http::post(server.address(), NEWS).bytes("image/png", &[137, 0, 255]).reply().await;
    assert_eq!(anna.receives_binary().await, [137, 0, 255][..]);
    Http::post(server.address(), NEWS).json(json!({"a": "ä"})).reply().await;
    assert_eq!(anna.receives().await, r#"{"a":"ä"}"#);
    Http::post(server.address(), NEWS).bytes("text/plain", b"").reply().await;
    assert_eq!(anna.receives().await, "");
}

#[actix_web::test]
async fn a_message_posted_to_an_empty_room_is_in_its_history() {
    let server = TestServer::start().await;
    assert_eq!(Http::post(server.address(), NEWS).text("early").reply().await.json()["received"], 0);
    let mut anna = server.connect("/websocket/news?last=1").await;
    assert_eq!(anna.receives_many(2).await, ["world", "early"]);
}

#[actix_web::test]
async fn a_batch_is_delivered_in_a_row() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let batches = (0..10).map(async |batch| {
        let messages: Vec<_> = (0..100).map(|number| json!({"text": format!("{batch} {number}")})).collect();
        let request = Http::post(server.address(), "/rooms/news/batch").json(json!({"messages": messages}));
        let posted = request.reply().await.json();
        assert_eq!(posted["messages"], 100);
        posted["offset"].as_u64().unwrap()
    });
    let last = join_all(batches).await;
    assert_eq!(last.iter().max(), Some(&1000));

    let received = anna.receives_many(1000).await;
    for (batch, last) in last.into_iter().enumerate() {
        let texts = &received[last as usize - 100..last as usize];
        assert!(texts.iter().zip(0..).all(|(text, number)| *text == format!("{batch} {number}")));
    }
}

#[actix_web::test]
async fn bytes_can_be_part_of_a_batch() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let batch = json!({"messages": [{"base64": "AP8="}, {"text": "a"}]});
    Http::post(server.address(), "/rooms/news/batch").json(batch).reply().await;
    assert_eq!(anna.receives_binary().await, [0, 255][..]);
    assert_eq!(anna.receives().await, "a");
}

#[actix_web::test]
async fn a_repeated_request_is_not_published_again() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let request = Http::post(server.address(), NEWS).header("Idempotency-Key", "a-1").text("once");
    let replies = join_all((0..10).map(|_| request.reply())).await;
    assert!(replies.iter().all(|reply| reply.status == 201 && reply.json() == replies[0].json()));
    Http::post(server.address(), NEWS).header("Idempotency-Key", "a-2").text("twice").reply().await;
    assert_eq!(anna.receives_many(2).await, ["once", "twice"]);

    let other = Http::post(server.address(), NEWS).header("Idempotency-Key", "a-1").text("something else");
    assert_eq!(other.reply().await.refusal(), (422, "idempotency_key_reused".to_owned()));
}

#[actix_web::test]
async fn an_invalid_publication_is_refused_with_a_reason() {
    let server = TestServer::with(|settings| settings.limits.rooms = 1).await;
    let mut anna = server.join("news").await;
    let post = |path: &str| Http::post(server.address(), path);
    let batch = |json: Value| post("/rooms/news/batch").json(json);
    let too_many: Vec<_> = (0..257).map(|_| json!({"text": ""})).collect();
    let cases = [
        (post("/rooms/not%20a%20room/messages").text("x"), 400, "room_name"),
        (post("/rooms/other/messages").text("x"), 503, "rooms"),
        (post(NEWS).bytes("application/octet-stream", &[0; 65_537]), 413, "too_large"),
        (post(NEWS).bytes("text/plain", &[255]), 400, "not_utf8"),
        (post(NEWS).bytes("text/plain; charset=latin1", b"x"), 415, "charset"),
        (post(NEWS).header("Content-Encoding", "gzip").text("x"), 415, "encoding"),
        (
            post(NEWS).header("Content-Encoding", "identity").header("Content-Encoding", "gzip").text("x"),
            415,
            "encoding",
        ),
        (post(NEWS).header("Idempotency-Key", "").text("x"), 400, "idempotency_key"),
        (post(NEWS).header("Idempotency-Key", &"x".repeat(129)).text("x"), 400, "idempotency_key"),
        (post(NEWS).header("Origin", "https://evil.example").text("x"), 403, "origin"),
        (post("/rooms/news/batch").text("x"), 400, "json"),
        (batch(json!({"messages": []})), 400, "json"),
        (batch(json!({"messages": too_many})), 400, "json"),
        (batch(json!({"messages": [{}]})), 400, "json"),
        (batch(json!({"messages": [{"text": "a", "base64": ""}]})), 400, "json"),
        (batch(json!({"messages": [{"base64": "A"}]})), 400, "json"),
        (batch(json!({"messages": [{"text": "x".repeat(65_537)}]})), 413, "too_large"),
        (batch(json!({"messages": [{"text": "a", "room": "b"}]})), 400, "json"),
        (Http::new(server.address(), "PUT", NEWS).text("x"), 405, "method_not_allowed"),
        (Http::new(server.address(), "DELETE", "/rooms/news/batch"), 405, "method_not_allowed"),
    ];
    for (request, status, code) in cases {
        let reply = request.reply().await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{reply:?}");
    }
    post(NEWS).text("the first message").reply().await;
    assert_eq!(anna.receives().await, "the first message");
}

#[actix_web::test]
async fn a_body_may_arrive_in_chunks_and_not_too_slowly() {
    let server = TestServer::with(|settings| {
        settings.session.handshake_within = Duration::from_millis(100);
        settings.session.close_within = Duration::from_millis(100);
    })
    .await;
    let mut anna = server.join("news").await;
    let chunked = |body: &str| {
        let request = Http::post(server.address(), NEWS).header("Content-Type", "text/plain");
        request.header("Transfer-Encoding", "chunked").raw(body)
    };
    assert_eq!(chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n").reply().await.status, 201);
    assert_eq!(anna.receives().await, "hello");
    assert_eq!(chunked("2\r\nhe\r\n").reply().await.refusal(), (408, "timeout".to_owned()));
}

#[actix_web::test]
async fn a_refused_body_is_not_waited_for() {
    let server =
        TestServer::with(|settings| settings.session.close_within = Duration::from_millis(100)).await;
    for (method, path) in [("POST", "/"), ("GET", "/rooms/news"), ("POST", "/rooms/a%20b/messages")] {
        let request = Http::new(server.address(), method, path).header("Transfer-Encoding", "chunked");
        request.raw("2\r\nhe\r\n").reply().await; // to the end of the connection
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_refused_and_nothing_of_it_is_published() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(format!("POST {NEWS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")).await;
    raw.half_closes().await;
    let answer = String::from_utf8(raw.reads_to_the_end().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(r#""error":"body""#), "{answer}");
    anna.publishes("whole").await;
    assert_eq!(anna.receives().await, "whole"); // the half would have come first
}

#[actix_web::test]
async fn curl_publishes() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let url = format!("http://{}{NEWS}", server.address());
    let Some(answer) = output_of("curl", &["--silent", "--fail", "--data", "from curl", &url]).await else {
        return;
    };
    assert!(answer.contains(r#""received":1"#), "{answer}");
    assert_eq!(anna.receives().await, "from curl");
}
