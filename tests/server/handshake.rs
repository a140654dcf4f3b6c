//! The opening handshake, and the refusals of others (RFC 6455 §4.2).

use crate::support::{
    Answer, Client, Host, Http, Raw, TestServer, answer, handshake as flawless, text, upgrade,
};
use actix_web::{
    http::{Method, Version, header::HeaderMap},
    test::TestRequest,
};

/// The flawless handshake, but for one header.
async fn answer_to(name: &'static str, value: &'static str) -> Answer {
    answer(upgrade("/websocket").insert_header((name, value))).await
}

async fn answer_without(missing: &str) -> Answer {
    let mut request = upgrade("/websocket").to_request();
    let mut headers: HeaderMap = std::mem::take(request.headers_mut());
    headers.remove(missing);
    let all = headers.into_iter();
    answer(all.fold(TestRequest::get().uri("/websocket"), |request, header| request.append_header(header)))
        .await
}

#[actix_web::test]
async fn the_handshake_of_rfc_6455_is_answered_with_its_key() {
    for path in ["/", "/websocket", "/websocket/", "/websocket/news", "/websocket?echo=false"] {
        let answer = answer(upgrade(path)).await;
        assert_eq!(answer.status, 101, "{path}");
        assert_eq!(answer.header("upgrade"), "websocket");
        assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

#[actix_web::test]
async fn the_tokens_of_a_handshake_may_be_of_any_case() {
    assert_eq!(answer_to("Upgrade", "WebSocket").await.status, 101);
    assert_eq!(answer_to("Connection", "UPGRADE").await.status, 101);
}

#[actix_web::test]
async fn a_plain_request_at_an_address_for_websocket_is_answered_with_426() {
    for path in ["/websocket", "/websocket/news", "/websocket/not%20a%20room"] {
        let answer = answer(TestRequest::get().uri(path)).await;
        let (status, code, message) = answer.refusal();
        assert_eq!((status, code.as_str()), (426, "upgrade_required"), "{path}");
        assert_eq!(answer.header("upgrade"), "websocket");
        assert_eq!(answer.header("sec-websocket-version"), "13");
        assert!(message.contains("ws://"), "{message}");
    }
}

#[actix_web::test]
async fn a_session_begins_with_get_alone() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        for path in ["/websocket", "/websocket/news"] {
            let answer = answer(upgrade(path).method(method.clone())).await;
            let (status, code, _) = answer.refusal();
            assert_eq!((status, code.as_str()), (405, "method_not_allowed"), "{method} {path}");
            assert_eq!(answer.header("allow"), "GET");
        }
    }
}

#[actix_web::test]
async fn only_version_13_is_accepted_and_other_versions_receive_426() {
    for version in ["7", "8", "12", "14", "thirteen", ""] {
        let answer = answer_to("Sec-WebSocket-Version", version).await;
        let (status, code, _) = answer.refusal();
        assert_eq!((status, code.as_str()), (426, "websocket_version"), "{version}");
        assert_eq!(answer.header("sec-websocket-version"), "13");
    }
    let (status, code, _) = answer_without("sec-websocket-version").await.refusal();
    assert_eq!((status, code.as_str()), (426, "websocket_version"));
}

#[actix_web::test]
async fn a_handshake_that_breaks_a_rule_is_refused_with_the_rule() {
    let cases = [
        ("Connection", "close", "the Connection header must not contain `close`"),
        ("Connection", "close, Upgrade", "the Connection header must not contain `close`"),
        ("Connection", "keep-alive", "the Connection header must contain `Upgrade`"),
        ("Connection", "not-an-upgrade", "the Connection header must contain `Upgrade`"),
        ("Content-Length", "5", "a handshake has no body"),
        ("Transfer-Encoding", "chunked", "a handshake has no body"),
        ("Sec-WebSocket-Key", "", "Sec-WebSocket-Key must be 16 bytes in base64"),
        ("Sec-WebSocket-Key", "c2hvcnQ=", "Sec-WebSocket-Key must be 16 bytes in base64"),
        ("Sec-WebSocket-Key", "not base64 but 24 bytes!", "Sec-WebSocket-Key must be 16 bytes in base64"),
    ];
    for (name, value, rule) in cases {
        let (status, code, message) = answer_to(name, value).await.refusal();
        assert_eq!((status, code.as_str()), (400, "websocket_handshake"), "{name}: {value}");
        assert!(message.ends_with(rule), "{name}: {value}: {message}");
    }
}

#[actix_web::test]
async fn a_handshake_without_one_of_its_headers_is_refused() {
    for (missing, rule) in [
        ("connection", "the Connection header must contain `Upgrade`"),
        ("sec-websocket-key", "one Sec-WebSocket-Key header is required"),
    ] {
        let (status, code, message) = answer_without(missing).await.refusal();
        assert_eq!((status, code.as_str()), (400, "websocket_handshake"), "{missing}");
        assert!(message.ends_with(rule), "{missing}: {message}");
    }
}

#[actix_web::test]
async fn a_header_that_must_stand_once_is_refused_twice() {
    for (name, value) in [("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Sec-WebSocket-Version", "13")]
    {
        let answer = answer(upgrade("/websocket").append_header((name, value))).await;
        let (status, code, _) = answer.refusal();
        assert_eq!((status, code.as_str()), (400, "websocket_handshake"), "{name}");
    }
}

#[actix_web::test]
async fn a_request_of_http_1_1_has_one_host_whatever_it_asks_for() {
    let server = TestServer::start().await;
    for path in ["/websocket", "/rooms/news", "http://localhost/websocket"] {
        for hosts in ["", "Host: localhost\r\nHost: localhost\r\n"] {
            for headers in ["", "Upgrade: websocket\r\nConnection: Upgrade\r\n"] {
                let request = format!("GET {path} HTTP/1.1\r\n{hosts}{headers}\r\n");
                let refusal = Http::raw_request(server.address(), request.as_bytes()).await.refusal();
                assert_eq!(refusal, (400, "request".to_owned()), "{request}");
            }
        }
    }
}

#[actix_web::test]
async fn http_1_0_cannot_be_upgraded() {
    let (status, code, message) = answer(upgrade("/websocket").version(Version::HTTP_10)).await.refusal();
    assert_eq!((status, code.as_str()), (400, "websocket_handshake"));
    assert!(message.ends_with("HTTP/1.1 is required"), "{message}");
}

#[actix_web::test]
async fn a_name_that_breaks_a_rule_is_refused_with_the_rule() {
    let too_long = format!("/websocket/{}", "x".repeat(129));
    let encoded_too_long = format!("/websocket/{}", "%78".repeat(129));
    let cases = [
        ("/websocket/.", "must not be . or .., which no URL keeps"),
        ("/websocket/%2e%2E", "must not be . or .., which no URL keeps"),
        (&too_long, "at most 128 bytes, this one has 129"),
        (&encoded_too_long, "at most 128 bytes, this one has 129"),
        ("/websocket/a/b", "not '/'"),
        ("/websocket/a%2Fb", "not '/'"),
        ("/websocket/a%20b", "not ' '"),
        ("/websocket/a+b", "not '+'"),
        ("/websocket/100%25", "not '%'"),
        ("/websocket/%252e", "not '%'"),
        ("/websocket/caf%C3%A9", "not 'é'"),
        ("/websocket/%00", r"not '\0'"),
        ("/websocket/a%0Ab", r"not '\n'"),
        ("/websocket/%FF", "not '\u{fffd}'"),
    ];
    for (path, rule) in cases {
        let (status, code, message) = answer(upgrade(path)).await.refusal();
        assert_eq!((status, code.as_str()), (400, "room_name"), "{path}");
        assert!(message.ends_with(rule), "{path}: {message}");
    }
}

#[actix_web::test]
async fn an_invalid_query_is_refused() {
    for path in ["/websocket?echo=maybe", "/websocket?echo=", "/websocket/news?echo=0", "/?echo=yes"] {
        let (status, code, message) = answer(upgrade(path)).await.refusal();
        assert_eq!((status, code.as_str()), (400, "query"), "{path}");
        assert_eq!(message, "echo must be true or false");
    }
}

#[actix_web::test]
async fn a_refusal_arrives_on_a_real_socket_with_its_reason() {
    let server = TestServer::start().await;
    let Err(tungstenite::Error::Http(refusal)) =
        Client::try_connect(server.address(), "/websocket/not%20a%20room").await
    else {
        panic!("the name has a space in it");
    };
    assert_eq!(refusal.status(), 400);
    let body = String::from_utf8(refusal.body().clone().unwrap()).unwrap();
    assert!(body.contains(r#""error":"room_name""#), "{body}");
}

#[actix_web::test]
async fn a_refusal_arrives_although_the_client_keeps_sending() {
    let server = TestServer::start().await;
    let hello = text("a client that takes its admission for granted").repeat(40_000);
    for _ in 0..20 {
        let mut anna = Raw::connect(server.address()).await;
        anna.sends(&[flawless("/websocket/not%20a%20room", "").as_bytes(), &hello].concat()).await;
        anna.sends(&hello).await;
        anna.half_closes().await;
        let answer = String::from_utf8(anna.reads_to_the_end().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(r#""error":"room_name""#), "{answer}");
    }
}

#[actix_web::test]
async fn a_handshake_may_arrive_byte_by_byte() {
    let server = TestServer::start().await;
    let mut anna = Raw::connect(server.address()).await;
    for byte in flawless("/websocket/news", "").as_bytes() {
        anna.sends([*byte]).await;
    }
    assert!(anna.reads_head().await.starts_with("HTTP/1.1 101 "));
    anna.receives("81 05 77 6f 72 6c 64").await;
}

#[actix_web::test]
async fn upgrade_is_read_as_a_list_and_a_length_of_zero_is_no_body() {
    for (name, value) in [
        ("Upgrade", "h2c, websocket"),
        ("Upgrade", "WebSocket,h2c"),
        ("Content-Length", "0"),
        ("Connection", "Upgrade, HTTP2-Settings"),
    ] {
        assert_eq!(answer_to(name, value).await.status, 101, "{name}: {value}");
    }
    let answer = answer(upgrade("/websocket").append_header(("Upgrade", "h2c"))).await;
    assert_eq!(answer.status, 101, "Upgrade twice");
    let server = TestServer::start().await;
    let mut socket = Raw::connect(server.address()).await;
    socket.sends(flawless("/websocket/news", "").replacen("\r\n", "\r\nUpgrade: h2c\r\n", 1)).await;
    assert!(socket.reads_head().await.starts_with("HTTP/1.1 101 "), "Upgrade twice, on a socket");
    for other in ["h2c", "websockets", "foo websocket", ""] {
        let (status, code, _) = answer_to("Upgrade", other).await.refusal();
        assert_eq!((status, code.as_str()), (426, "upgrade_required"), "{other}: not asked for");
    }
}

#[actix_web::test]
async fn a_handshake_may_follow_a_plain_request_on_its_connection() {
    let server = TestServer::start().await;
    let mut anna = Raw::connect(server.address()).await;
    let plain = "HEAD /rooms/news HTTP/1.1\r\nHost: localhost\r\n\r\n";
    anna.sends([plain, &flawless("/websocket/news", "")].concat()).await;
    assert!(anna.reads_head().await.starts_with("HTTP/1.1 200 "));
    anna.is_admitted().await;
    anna.is_greeted().await;
}

#[actix_web::test]
async fn event_streams_use_plain_http() {
    let (status, code, _) = answer(upgrade("/rooms/news/events")).await.refusal();
    assert_eq!((status, code.as_str()), (400, "websocket_handshake"));
}

/// A request whose target is no path, or leads nowhere in some other way.
#[actix_web::test]
async fn whatever_leads_nowhere_is_refused_and_counted() {
    let server = TestServer::start().await;
    for (request_line, status, code) in [
        ("GET * HTTP/1.1", 400, "request"),
        ("POST * HTTP/1.1", 400, "request"),
        ("GET localhost HTTP/1.1", 400, "request"),
        ("OPTIONS localhost HTTP/1.1", 400, "request"),
        ("CONNECT localhost:80 HTTP/1.1", 405, "method_not_allowed"),
        ("CONNECT evil.example:80 HTTP/1.1", 403, "host"),
        ("GET /%0a HTTP/1.1", 404, "not_found"),
        ("GET /% HTTP/1.1", 404, "not_found"),
        ("GET /%ff HTTP/1.1", 404, "not_found"),
        ("GET // HTTP/1.1", 404, "not_found"),
        ("OPTIONS / HTTP/1.1", 405, "method_not_allowed"),
        ("BREW / HTTP/1.1", 405, "method_not_allowed"),
        ("BREW /nothing HTTP/1.1", 404, "not_found"),
        ("GET /rooms/a/b/c HTTP/1.1", 404, "not_found"),
        ("GET /rooms/a%2Fb/messages HTTP/1.1", 400, "room_name"),
        ("GET /rooms/%/messages HTTP/1.1", 400, "room_name"),
        ("GET /rooms/%ff/messages HTTP/1.1", 400, "room_name"),
        ("GET /rooms/%0a HTTP/1.1", 400, "room_name"),
        ("GET /rooms/%0a/events HTTP/1.1", 400, "room_name"),
        ("GET /rooms//messages HTTP/1.1", 404, "not_found"),
        ("GET /rooms/a/messages?last=%ff HTTP/1.1", 400, "query"),
        ("GET /websocket/%0a HTTP/1.1", 426, "upgrade_required"),
        ("GET  / HTTP/1.1", 400, "request"),
        ("GET / x HTTP/1.1", 400, "request"),
        ("GET \u{e9} HTTP/1.1", 400, "request"),
    ] {
        let request = format!("{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let before = server.count(&format!(r#"refusals_total{{reason="{code}"}}"#)).await;
        let refusal = Http::raw_request(server.address(), request.as_bytes()).await.refusal();
        assert_eq!(refusal, (status, code.to_owned()), "{request_line}");
        server.counts_at_least(&format!(r#"refusals_total{{reason="{code}"}}"#), before + 1).await;
    }
}

#[actix_web::test]
async fn the_methods_of_the_whole_server_can_be_asked_for() {
    let server = TestServer::start().await;
    let request = "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reply = Http::raw_request(server.address(), request.as_bytes()).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert!(reply.head.contains("allow: get, head, post, options"), "{reply:?}");
    let foreign = request.replace("localhost", "evil.example");
    let refusal = Http::raw_request(server.address(), foreign.as_bytes()).await.refusal();
    assert_eq!(refusal, (403, "host".to_owned()));
}

#[actix_web::test]
async fn the_answer_to_a_plain_request_is_whole() {
    let page = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    std::fs::write(page.path().join("large"), &large).unwrap();
    let server = TestServer::with(|settings| settings.page.directory = page.path().into()).await;
    let mut anna = Raw::connect(server.address()).await;
    anna.sends(flawless("/large", "")).await;
    let answer = anna.reads_to_the_end().await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    let head = String::from_utf8_lossy(&answer[..1_000]).to_lowercase();
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(answer.ends_with(&large), "{} bytes", answer.len());
}
