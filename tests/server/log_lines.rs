//! The lines of the log about clients: one form for whom they are about, and a line for who is
//! turned away.

use crate::support::{Binary, Events, Host, Raw, V1, handshake, text};
use std::net::SocketAddr;

const CONNECTION_LINE: &str = "server: receive connection.";

/// The number in `session 7 from ADDRESS in news`, which is what `about` must be.
fn session(about: &str, client: SocketAddr, room: &str) -> u64 {
    let (id, rest) = about.strip_prefix("session ").and_then(|about| about.split_once(' ')).expect(about);
    assert_eq!(rest, format!("from {client} in {room}"));
    id.parse().expect(about)
}

#[actix_web::test]
async fn the_life_of_a_session_can_be_followed_by_its_number() {
    let mut program = Binary::start(&[]);
    let mut anna = Raw::connect(program.address()).await;
    let client = anna.local_address();
    anna.joins("news").await;
    let (words, about) = program.logs_about().await;
    assert_eq!(words, CONNECTION_LINE);
    let id = session(&about, client, "news");

    let bert = program.join("sport").await;
    let (words, other) = program.logs_about().await;
    assert_eq!(words, CONNECTION_LINE);
    assert!(!other.starts_with(&format!("session {id} ")) && other.ends_with(" in sport"), "{other}");

    anna.sends(text("from client: hello")).await;
    assert_eq!(
        program.logs_about().await,
        ("server: received: from client: hello".to_owned(), about.clone())
    );
    anna.resets();
    let end = program.logs().await;
    assert!(
        end.starts_with(&format!("{about} ended after ")) && end.contains(": - (connection lost); "),
        "{end}"
    );
    drop(bert);
}

#[actix_web::test]
async fn every_way_to_publish_names_its_client_in_the_log() {
    let mut program = Binary::start(&[]);
    let mut v1 = V1::connect(program.address(), "/websocket/news").await;
    let (words, about) = program.logs_about().await;
    assert!(
        words == CONNECTION_LINE && about.starts_with("session ") && about.ends_with(" in news"),
        "{about}"
    );
    v1.publishes("hello").await;
    assert_eq!(program.logs_about().await, ("server: received: hello".to_owned(), about));

    let _events = Events::connect(program.address(), "/rooms/news/events", "").await;
    let (words, about) = program.logs_about().await;
    assert!(
        words == CONNECTION_LINE && about.starts_with("session ") && about.ends_with(" in news"),
        "{about}"
    );

    for (path, body) in [("messages", "over HTTP"), ("batch", r#"{"messages": [{"text": "over HTTP"}]}"#)] {
        let mut raw = Raw::connect(program.address()).await;
        let client = raw.local_address();
        let length = body.len();
        raw.sends(format!(
            "POST /rooms/news/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
        let expected = ("server: received: over HTTP".to_owned(), format!("request from {client} in news"));
        assert_eq!(program.logs_about().await, expected);
    }
}

#[actix_web::test]
async fn no_text_of_a_client_forges_the_client_of_a_line() {
    let mut program = Binary::start(&[]);
    let mut anna = program.join("news").await;
    let (_, about) = program.logs_about().await;
    anna.publishes("hello\tsession 1 from 192.0.2.1:80 in bank").await;
    let words = r"server: received: hello\tsession 1 from 192.0.2.1:80 in bank";
    assert_eq!(program.logs_about().await, (words.to_owned(), about));
}

#[actix_web::test]
async fn a_handshake_that_is_refused_has_a_line_with_its_address_and_the_reason() {
    let settings = [
        ("WORLDCAST_PUBLISH__ANYONE", "false"),
        ("WORLDCAST_PUBLISH__KEYS", "0123456789abcdef"),
        ("WORLDCAST_LIMITS__CONNECTIONS_PER_IP", "1"),
    ];
    let mut program = Binary::start(&settings);
    let _anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    let too_large = format!("X: {}\r\n", "x".repeat(17 << 10));
    for (request, asked, why, room) in [
        (handshake("/nowhere", ""), "GET /nowhere", "there is nothing at this address", "-"),
        (
            handshake("/websocket/news", "Host: evil.example\r\n"),
            "GET /websocket/news",
            "this server does not answer to the name \"evil.example\" here; `origins.hosts` would add it",
            "news",
        ),
        (
            handshake("/", "Origin: null\r\n"),
            "GET /",
            "a page without an origin (a file, a sandbox) may not connect here",
            "lobby",
        ),
        (
            handshake("/websocket?session=secret", ""),
            "GET /websocket",
            "too many connections from this address (limits.connections_per_ip)",
            "lobby",
        ),
        (handshake("/websocket/a%20b", ""), "GET /websocket/a%20b", "the name of a room", "-"),
        (handshake("/websocket/news?last=x", ""), "GET /websocket/news", "", "news"),
        (
            handshake("/websocket/news", "Authorization: Bearer fedcba9876543210\r\n"),
            "GET /websocket/news",
            "this key is not valid",
            "news",
        ),
        (
            handshake("/websocket/%6Eews", "Sec-WebSocket-Key: short\r\n"),
            "GET /websocket/%6Eews",
            "no valid WebSocket handshake: Sec-WebSocket-Key must be 16 bytes in base64",
            "news",
        ),
        (
            handshake("/websocket", "Sec-WebSocket-Version: 8\r\n"),
            "GET /websocket",
            "this server supports version 13 of the WebSocket protocol only",
            "lobby",
        ),
        (
            handshake("/rooms/news/events", ""),
            "GET /rooms/news/events",
            "no valid WebSocket handshake",
            "news",
        ),
        (
            handshake("/websocket/news", "Host: a\r\nHost: a\r\n"),
            "GET /websocket/news",
            "not a request of HTTP/1.1",
            "news",
        ),
        (
            handshake("/websocket/news?since=secret", &too_large),
            "GET /websocket/news",
            "the head of a request has at most 16384 bytes here",
            "news",
        ),
        (
            handshake("/websocket/news", &"a:\r\n".repeat(96)),
            "GET /websocket/news",
            "a request has at most 96 headers",
            "news",
        ),
    ] {
        let mut client = Raw::connect(program.address()).await;
        let address = client.local_address();
        client.sends(&request).await;
        let head = client.reads_head().await;
        assert!(!head.starts_with("HTTP/1.1 101"), "{request}");
        let (words, about) = program.logs_about().await;
        assert!(words.starts_with(&format!("refused {asked}: {why}")), "{words}");
        assert!(!words.contains("secret"), "{words}");
        assert_eq!(about, format!("handshake from {address} in {room}"));
    }
}

/// RFC 9110 §7.8: the server may ignore an upgrade. Nothing is refused then, and the client still
/// has no WebSocket.
#[actix_web::test]
async fn an_upgrade_that_is_ignored_has_a_line_and_is_no_refusal() {
    let mut program = Binary::spawn(&[]);
    let lines = program.logs_until_it_listens().await;
    let address = |before: &str| -> SocketAddr {
        let found = lines.iter().find_map(|line| line.split_once(before)?.1.split('/').next());
        found.expect("a line").parse().expect("an address")
    };
    let (page, admin) = (address("page at http://"), address("admin at http://"));
    let cached = "If-None-Match: *\r\n";
    for (listener, path, headers, status, room) in [
        (page, "/app.js", "", 200, "-"),
        (page, "/app.js", cached, 304, "-"),
        (page, "/rooms/news", "", 200, "news"),
        (page, "/rooms/news/messages", "", 200, "news"),
        (admin, "/health", "", 200, "-"),
        (admin, "/ready", "", 200, "-"),
    ] {
        let mut client = Raw::connect(listener).await;
        let address = client.local_address();
        client.sends(handshake(path, headers)).await;
        let head = client.reads_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(!head.to_lowercase().contains("\nupgrade:"), "{head}");
        let words =
            format!("ignored the upgrade of GET {path}: there is no WebSocket at this address ({status})");
        assert_eq!(program.logs_about().await, (words, format!("handshake from {address} in {room}")));
    }
    let mut operator = Raw::connect(admin).await;
    operator.sends("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let metrics = String::from_utf8(operator.reads_to_the_end().await).expect("text");
    assert!(!metrics.contains("worldcast_refusals_total{"), "{metrics}");
}

#[actix_web::test]
async fn a_request_without_a_path_has_a_line_like_other_requests() {
    let mut program = Binary::spawn(&[("RUST_LOG", "worldcast=debug")]);
    let lines = program.logs_until_it_listens().await;
    let page = lines.iter().find_map(|line| line.split_once("page at http://")?.1.split('/').next());
    let page: SocketAddr = page.expect("a line").parse().expect("an address");
    for (asked, why) in [
        ("GET *", "not a request of HTTP/1.1: the target of a request is a path"),
        ("CONNECT localhost:80", "this address answers GET, HEAD, POST, OPTIONS only"),
    ] {
        let mut client = Raw::connect(page).await;
        let address = client.local_address();
        client.sends(format!("{asked} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        client.reads_head().await;
        let line = program.writes().await;
        let expected = format!(" DEBUG worldcast] refused {asked}: {why}\trequest from {address} in -");
        assert!(line.ends_with(&expected), "{line}");
    }
}

#[actix_web::test]
async fn a_handshake_at_the_address_for_operators_has_a_line_too() {
    let mut program = Binary::spawn(&[]);
    let lines = program.logs_until_it_listens().await;
    let admin = lines.iter().find_map(|line| line.split_once("admin at http://")?.1.split('/').next());
    let mut client = Raw::connect(admin.expect("a line").parse().expect("an address")).await;
    let address = client.local_address();
    client.sends(handshake("/websocket/news", "")).await;
    client.reads_head().await;
    let words = "refused GET /websocket/news: there is nothing at this address".to_owned();
    assert_eq!(program.logs_about().await, (words, format!("handshake from {address} in news")));
}

#[actix_web::test]
async fn a_client_of_a_full_server_has_a_line_and_other_refused_plain_requests_have_none() {
    let mut program = Binary::start(&[("WORLDCAST_LIMITS__CONNECTIONS", "1")]);
    let anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);
    for path in ["/nowhere", "/websocket", "/rooms/a%20b", "/rooms/news/messages?last=x"] {
        assert!(program.get(path).await.starts_with("HTTP/1.1 4"), "{path}");
    }
    for (path, kind) in [("/rooms/news/events", "request"), ("/websocket/news", "handshake")] {
        let mut client = Raw::connect(program.address()).await;
        let address = client.local_address();
        let request = match kind {
            "request" => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            _ => handshake(path, ""),
        };
        client.sends(request).await;
        assert!(client.reads_head().await.starts_with("HTTP/1.1 503 "));
        let words = format!("refused GET {path}: the server is full (limits.connections)");
        assert_eq!(program.logs_about().await, (words, format!("{kind} from {address} in news")));
    }
    drop(anna);
}
