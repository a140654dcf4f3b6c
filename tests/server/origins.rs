//! Which web pages may connect: ours, those of this machine, and those that the operator lists (RFC
//! 6455 §10.2).

use crate::support::{Answer, Binary, Host, Raw, TestServer, answer_with, handshake, upgrade};
use actix_web::test::TestRequest;
use worldcast::config::Settings;

/// The answer to a handshake, or to a request for the page, with these headers.
async fn answer_to(path: &str, headers: &[(&'static str, &str)], allowed: &[&str]) -> Answer {
    let begin = match path {
        "/websocket" => upgrade(path),
        _ => TestRequest::get().uri(path),
    };
    let request = headers.iter().fold(begin, |request, header| request.insert_header(*header));
    let list = |settings: &mut Settings| {
        settings.origins.allowed = allowed.iter().map(|origin| origin.parse().expect("an origin")).collect();
    };
    answer_with(list, request).await
}

async fn answer_to_origin(origin: &str, allowed: &[&str]) -> Answer {
    answer_to("/websocket", &[("Host", "localhost:3000"), ("Origin", origin)], allowed).await
}

#[actix_web::test]
async fn our_own_page_may_connect_and_so_may_programs() {
    for origin in ["http://localhost:3000", "http://localhost:8080", "http://127.0.0.1:5173"] {
        assert_eq!(answer_to_origin(origin, &[]).await.status, 101, "{origin}");
    }
    assert_eq!(answer_to("/websocket", &[("Host", "localhost:3000")], &[]).await.status, 101);
}

#[actix_web::test]
async fn a_page_from_elsewhere_may_not_connect_unless_it_is_listed() {
    for origin in ["https://evil.example", "http://localhost.evil.example:3000", "null", ""] {
        let (status, code, message) = answer_to_origin(origin, &["https://app.example"]).await.refusal();
        assert_eq!((status, code.as_str()), (403, "origin"), "{origin}");
        let remedy = if origin.is_empty() { "not the origin of a page" } else { "origins.allowed" };
        assert!(message.contains(remedy), "{message}");
    }
    assert_eq!(answer_to_origin("https://app.example", &["https://app.example"]).await.status, 101);
    assert_eq!(answer_to_origin("https://evil.example", &["*"]).await.status, 101);
}

/// Otherwise a page could reach a server on its visitor's machine under a name of its own (DNS
/// rebinding).
#[actix_web::test]
async fn on_loopback_the_server_answers_to_names_of_this_machine_only() {
    for path in [
        "/websocket",
        "/websocket/news",
        "/websocket/a%20b",
        "/",
        "/worldcast.js",
        "/nothing",
        "/rooms",
        "/rooms/",
        "/rooms/news",
        "/%72ooms/news",
        "/rooms/news/messages",
        "/rooms/news/events",
        "/rooms/news/batch",
        "/rooms/news/no/thing",
    ] {
        let rebound = [("Host", "evil.example:3000"), ("Origin", "http://evil.example:3000")];
        let (status, code, message) = answer_to(path, &rebound, &[]).await.refusal();
        assert_eq!((status, code.as_str()), (403, "host"), "{path}");
        assert!(message.contains("evil.example"), "{message}");
    }
    let proxied = [("Host", "chat.example"), ("Origin", "https://chat.example")];
    assert_eq!(answer_to("/websocket", &proxied, &["https://chat.example"]).await.status, 101);
}

#[actix_web::test]
async fn the_log_names_the_refused_page_and_the_setting_that_would_accept_it() {
    let mut program = Binary::start(&[]);
    let mut page = Raw::connect(program.address()).await;
    page.sends(handshake("/websocket", "Origin: https://evil.example\r\n")).await;
    assert!(page.reads_head().await.starts_with("HTTP/1.1 403 "));

    let line = program.logs().await;
    assert_eq!(
        line,
        "refused GET /websocket: a page of \"https://evil.example\" may not connect here; `origins.allowed` would let it"
    );
}

#[actix_web::test]
async fn a_refused_page_is_counted() {
    let server = TestServer::start().await;
    let mut page = Raw::connect(server.address()).await;
    page.sends(handshake("/websocket", "Origin: https://evil.example\r\n")).await;
    page.reads_head().await;
    server.counts_at_least("refusals_total{reason=\"origin\"}", 1).await;
}

#[actix_web::test]
async fn of_a_listed_host_only_the_listed_scheme_and_port_may_connect() {
    let answer_to = async |origin| {
        let headers = [("Host", "chat.example"), ("Origin", origin)];
        answer_to("/websocket", &headers, &["https://chat.example", "https://*.team.example"]).await.status
    };
    for (origin, status) in [
        ("https://chat.example", 101),
        ("https://a.team.example", 101),
        ("http://chat.example", 403),
        ("https://chat.example:18080", 403),
        ("http://chat.example:8080", 403),
        ("https://team.example", 403),
    ] {
        assert_eq!(answer_to(origin).await, status, "{origin}");
    }
}

#[actix_web::test]
async fn apps_and_files_may_connect_where_they_are_listed() {
    for origin in
        ["capacitor://localhost", "tauri://localhost", "chrome-extension://abcdef", "app://.", "null"]
    {
        let headers = [("Host", "chat.example"), ("Origin", origin)];
        let host = "https://chat.example";
        assert_eq!(answer_to("/websocket", &headers, &[host]).await.status, 403, "{origin}");
        assert_eq!(answer_to("/websocket", &headers, &[host, origin]).await.status, 101, "{origin}");
    }
    let (_, _, message) = answer_to_origin("null", &[]).await.refusal();
    assert!(message.contains("open it over HTTP"), "{message}");
}
