//! A connection takes one plain request after the other, each judged by its own headers.

use crate::support::{Events, Host, Http, Raw, TestServer, handshake, within};
use std::time::{Duration, Instant};

/// A request of HTTP/1.1 with these headers, one line each.
fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// The responses to all that is sent on one connection, which is closed then.
async fn responses(server: &TestServer, requests: &str) -> String {
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(requests).await;
    raw.half_closes().await;
    String::from_utf8(raw.reads_to_the_end().await).expect("text")
}

fn statuses(responses: &str) -> Vec<&str> {
    responses.split("HTTP/1.").skip(1).map(|response| &response[2..5]).collect()
}

#[actix_web::test]
async fn one_connection_takes_one_request_after_the_other() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(server.address()).await;
    for number in 1..=3 {
        raw.sends(request("POST /rooms/news/messages", "Content-Length: 1\r\n") + "x").await;
        let head = raw.reads_head().await.to_lowercase();
        assert!(head.starts_with("http/1.1 201 ") && !head.contains("\r\nconnection:"), "{head}");
        assert!(head.contains("\r\nkeep-alive: timeout=10\r\n"), "{head}");
        let body = raw.reads_body(&head).await;
        assert!(body.contains(&format!("\"offset\":{number},")), "{body}");
    }
}

#[actix_web::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start().await;
    let get = |path: &str| request(&format!("GET {path}"), "");
    let post = request("POST /rooms/news/messages", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n";
    let requests = [get("/rooms/news"), post, get("/missing"), get("/rooms/news")];
    let answers = responses(&server, &requests.concat()).await;
    assert_eq!(statuses(&answers), ["200", "201", "404", "200"]);
    assert!(answers.ends_with("\"offset\":1,\"remembered\":1}"), "{answers}");
}

#[actix_web::test]
async fn nothing_behind_connection_close_is_carried_out() {
    let server = TestServer::start().await;
    let last = request("GET /rooms/news", "Connection: close\r\n");
    let post = request("POST /rooms/news/messages", "Content-Length: 1\r\n") + "x";
    for last in
        [last.clone(), last.replace("HTTP/1.1", "HTTP/1.0"), last.replace("close", "keep-alive, Close")]
    {
        assert_eq!(
            statuses(&responses(&server, &[last.clone(), post.clone()].concat()).await),
            ["200"],
            "{last}"
        );
    }
    assert!(server.get("/rooms/news").await.ends_with("{\"room\":\"news\",\"clients\":0}"));
}

#[actix_web::test]
async fn a_request_whose_body_is_not_read_is_the_last_of_its_connection() {
    let server = TestServer::start().await;
    let smuggled = request("POST /rooms/news/messages", "Content-Length: 1\r\n") + "x";
    let outer = request("PUT /rooms/news", &format!("Content-Length: {}\r\n", smuggled.len())) + &smuggled;
    let answers = responses(&server, &outer).await;
    assert_eq!(statuses(&answers), ["405"]);
    assert!(answers.to_lowercase().contains("\r\nconnection: close\r\n"), "{answers}");
    assert!(server.get("/rooms/news").await.contains("\"clients\":0}"), "nothing was published");
}

#[actix_web::test]
async fn an_upgrade_to_another_protocol_is_ignored() {
    let server = TestServer::start().await;
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    let post = request("POST /rooms/news/messages", &format!("{h2c}Content-Length: 1\r\n")) + "x";
    let answers = responses(
        &server,
        &[request("GET /favicon.svg", h2c), request("GET /rooms/news", h2c), post].concat(),
    )
    .await;
    assert_eq!(statuses(&answers), ["200", "200", "201"], "and the connection goes on");
    assert!(!answers.to_lowercase().contains("\r\nconnection:"), "{answers}");

    let mut raw = Raw::connect(server.address()).await;
    raw.sends(request("GET /rooms/news/events", h2c)).await;
    assert!(raw.reads_head().await.starts_with("HTTP/1.1 200 "));
}

#[actix_web::test]
async fn a_post_that_a_proxy_hands_on_with_an_upgrade_is_a_post() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    for (text, headers) in [
        ("one", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n"),
        ("two", "Upgrade: websocket\r\nContent-Length: 3\r\n"),
    ] {
        let post = request("POST /rooms/news/messages", &format!("{headers}Content-Type: text/plain\r\n"));
        assert_eq!(statuses(&responses(&server, &(post + text)).await), ["201"]);
        assert_eq!(anna.receives().await, text);
    }
}

#[actix_web::test]
async fn http_1_0_gets_no_chunks() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.sends("GET /rooms/news/events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    server.has_clients("news", 1).await;
    let head = raw.reads_head().await.to_lowercase();
    assert!(head.starts_with("http/1.0 200 ") && !head.contains("transfer-encoding"), "{head}");
    assert!(!head.contains("keep-alive"), "the body ends with the connection: {head}");
    let stop = server.stop.clone();
    let stopping = actix_web::rt::spawn(async move { stop.gracefully().await });
    let events = String::from_utf8(raw.reads_to_the_end().await).unwrap();
    assert!(
        events.starts_with("id: ") && events.ends_with("\"reason\":\"the server restarts\"}\n\n"),
        "{events}"
    );
    drop(raw);
    stopping.await.unwrap();
}

#[actix_web::test]
async fn a_head_of_events_is_that_of_get() {
    let server = TestServer::start().await;
    let head = responses(&server, &request("HEAD /rooms/news/events", "")).await.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(
        head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.contains("content-length"),
        "{head}"
    );
    assert!(server.get("/rooms/news").await.contains("\"clients\":0}"), "nobody listens");
}

#[actix_web::test]
async fn a_request_that_cannot_be_understood_is_refused_with_a_reason_and_counted() {
    let server = TestServer::start().await;
    let too_large = request("GET /", &format!("X: {}\r\n", "x".repeat(16 << 10)));
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", 400, "request"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "request"),
        ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 400, "request"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03", 400, "request"),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            400,
            "request",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "request",
        ),
        (&too_large, 431, "head_too_large"),
        (&request("GET /", &"a:\r\n".repeat(96)), 431, "head_too_large"),
    ];
    for (request, status, code) in cases {
        let reply = Http::raw_request(server.address(), request.as_bytes()).await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{request}");
    }
    server.counts_at_least("refusals_total{reason=\"request\"}", 6).await;
    server.counts_at_least("refusals_total{reason=\"head_too_large\"}", 2).await;
}

#[actix_web::test]
async fn a_target_in_absolute_form_names_the_host() {
    let server = TestServer::start().await;
    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answers = responses(&server, &get("http://localhost/rooms/news", "rebound.example")).await;
    assert_eq!(statuses(&answers), ["200"], "the host of the target counts");
    let answers = responses(&server, &get("http://rebound.example/rooms/news", "localhost")).await;
    assert_eq!(statuses(&answers), ["403"]);
}

#[actix_web::test]
async fn a_client_that_expects_100_continue_receives_it() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(request("POST /rooms/news/messages", "Content-Length: 1\r\nExpect: 100-continue\r\n")).await;
    assert_eq!(raw.reads_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.sends("x").await;
    assert!(raw.reads_head().await.starts_with("HTTP/1.1 201 "));

    let mut refused = Raw::connect(server.address()).await;
    refused
        .sends(request("POST /rooms/a%20b/messages", "Content-Length: 1\r\nExpect: 100-continue\r\n"))
        .await;
    assert!(refused.reads_head().await.starts_with("HTTP/1.1 400 "), "it need not send what is refused");
}

#[actix_web::test]
async fn each_head_has_a_deadline_and_an_idle_connection_ends_in_silence() {
    let server =
        TestServer::with(|settings| settings.session.handshake_within = Duration::from_millis(100)).await;
    let get = request("GET /rooms/news", "");
    let mut idle = Raw::connect(server.address()).await;
    idle.sends(&get).await;
    let answer = String::from_utf8(idle.reads_to_the_end().await).unwrap();
    assert_eq!(statuses(&answer), ["200"], "then the end");
    let mut slow = Raw::connect(server.address()).await;
    slow.sends(get.clone() + "GET /rooms/b HTTP/1.1\r\n").await;
    let answers = String::from_utf8(slow.reads_to_the_end().await).unwrap();
    assert_eq!(statuses(&answers), ["200", "408"]);
}

#[actix_web::test]
async fn an_idle_connection_does_not_delay_the_end_of_the_server() {
    let server = TestServer::start().await;
    let mut idle = Raw::connect(server.address()).await;
    idle.sends(request("HEAD /rooms/news", "")).await;
    idle.reads_head().await;
    let began = Instant::now();
    within("the end of the server", server.stop.gracefully()).await;
    assert!(began.elapsed() < Duration::from_secs(4), "its deadline would be 10 s: {:?}", began.elapsed());
    assert_eq!(idle.reads_to_the_end().await, b"");
}

#[actix_web::test]
async fn an_event_stream_that_ends_with_a_fin_frees_its_connection() {
    let server = TestServer::with(|settings| settings.limits.connections = 2).await;
    for _ in 0..20 {
        let anna = Events::connect(server.address(), "/rooms/news/events", "").await;
        server.has_clients("news", 1).await;
        drop(anna);
        server.has_clients("news", 0).await;
    }
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(handshake("/websocket/news", "")).await;
    raw.is_admitted().await;
}
