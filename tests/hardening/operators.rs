//! Requests of operators are answered on the admin listener, and there alone.

use crate::{
    process::Launch,
    support::{answer_to, get, get_with, head, within},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    spawn,
};

/// All that a connection to `address` receives for `request`, to its end.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(request).await.expect("a connection");
    let mut answer = Vec::new();
    within("the end of an answer", socket.read_to_end(&mut answer)).await.expect("an orderly end");
    String::from_utf8(answer).expect("text").to_lowercase()
}

#[tokio::test]
async fn the_admin_listener_reports_liveness_and_readiness() {
    let server = Launch::with::<&str>(&[]).start();
    for (path, body) in [("/health", "ok\n"), ("/ready", "ready\n")] {
        let answer = get(server.admin, path).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("\r\n\r\n{body}")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn metrics_are_openmetrics_where_accepted_and_plain_text_for_a_browser() {
    let server = Launch::with::<&str>(&[]).start();
    let plain = get(server.admin, "/metrics").await;
    assert!(plain.to_lowercase().contains("\r\ncontent-type: text/plain"), "{plain}");
    let prometheus =
        "Host: localhost\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
    let answer = get_with(server.admin, "/metrics", prometheus).await;
    assert!(answer.to_lowercase().contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    assert!(answer.contains("\nworldcast_sessions 0\n"), "{answer}");
}

#[tokio::test]
async fn who_rules_openmetrics_out_gets_the_classic_format() {
    let server = Launch::with::<&str>(&[]).start();
    for accept in ["application/openmetrics-text;q=0", "application/openmetrics-text;q=0.1,text/plain"] {
        let answer =
            get_with(server.admin, "/metrics", &format!("Host: localhost\r\nAccept: {accept}")).await;
        assert!(answer.to_lowercase().contains("\r\ncontent-type: text/plain; version=0.0.4"), "{answer}");
        assert!(!answer.contains("# EOF"), "{answer}");
    }
}

#[tokio::test]
async fn what_operators_ask_in_vain_is_refused_as_elsewhere_and_counted() {
    let server = Launch::with::<&str>(&[]).start();
    for (request_line, status, code) in [
        ("GET /", 404, "not_found"),
        ("GET /nothing/here", 404, "not_found"),
        ("POST /metrics", 405, "method_not_allowed"),
        ("GET *", 400, "request"),
    ] {
        let name = format!(r#"refusals_total{{reason="{code}"}}"#);
        let before = server.metrics().await.value(&name);
        let answer = answer_to(server.admin, request_line, "Host: localhost").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request_line}: {answer}");
        assert!(answer.contains(&format!(r#"{{"error":"{code}","#)), "{request_line}: {answer}");
        assert_eq!(server.metrics().await.value(&name), before + 1, "{request_line}");
    }
}

#[tokio::test]
async fn no_web_page_reads_metrics_under_a_name_that_was_changed_to_resolve_to_the_server() {
    let server = Launch::with::<&str>(&[]).start();
    for path in ["/health", "/metrics"] {
        let answer = get_with(server.admin, path, "Host: rebound.example").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[tokio::test]
async fn the_public_listener_has_no_admin_addresses() {
    let server = Launch::with::<&str>(&[]).start();
    for listener in &server.listeners {
        for path in ["/health", "/ready", "/metrics"] {
            let answer = get(*listener, path).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_is_without_the_content() {
    let server = Launch::with::<&str>(&[]).start();
    for (path, kind) in [("/health", "text/plain"), ("/ready", "text/plain"), ("/metrics", "text/plain")] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.admin, request.as_bytes()).await;
        let is_good = answer.starts_with("http/1.1 200 ") && answer.ends_with("\r\n\r\n");
        assert!(is_good && !answer.contains("content-length: 0\r\n"), "{path} {kind}: {answer}");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_ones_there_are() {
    let server = Launch::with::<&str>(&[]).start();
    for (method, path) in [("POST", "/metrics"), ("PUT", "/health"), ("DELETE", "/ready")] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.admin, request.as_bytes()).await;
        let is_good = answer.starts_with("http/1.1 405 ") && answer.contains("\r\nallow: get, head\r\n");
        assert!(is_good, "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn an_offer_of_another_protocol_is_ignored_and_the_connection_stays() {
    let server = Launch::with::<&str>(&[]).start();
    let mut socket = TcpStream::connect(server.admin).await.expect("a connection");
    for offer in ["Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", "keep-alive"] {
        let request = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: {offer}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("a connection");
        let answer = head(&mut socket).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 200 ") && !answer.contains("upgrade"), "{answer}");
        let mut body = [0; 3];
        within("the content", socket.read_exact(&mut body)).await.expect("a connection");
        assert_eq!(&body, b"ok\n");
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_as_everywhere() {
    let server = Launch::with::<&str>(&[]).start();
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"nonsense \r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        let answer = exchange(server.admin, garbage).await;
        let is_good =
            answer.starts_with("http/1.1 400 ") && answer.contains("x-content-type-options: nosniff");
        assert!(is_good, "{answer}");
    }
}

#[tokio::test]
async fn connections_that_ask_nothing_give_way_to_those_that_ask() {
    let server = Launch::with::<&str>(&[]).descriptors(256).start();
    for begun in ["", "GET /health HTTP/1.1\r\n", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut idle = Vec::new();
        for _ in 0..600 {
            let mut socket = TcpStream::connect(server.admin).await.expect("a connection");
            socket.write_all(begun.as_bytes()).await.expect("a connection");
            idle.push(socket);
        }
        assert!(get(server.admin, "/health").await.ends_with("ok\n"), "{begun:?}");
        assert!(server.metrics().await.value("admin_evictions_total") > 0, "{begun:?}");
        assert!(server.descriptors().len() < 150, "{begun:?}");
    }
    assert!(get(server.listeners[0], "/").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn answers_that_nobody_reads_take_little_memory() {
    let server = Launch::with::<&str>(&[]).start();
    for _ in 0..40 {
        get(server.admin, "/metrics").await;
    }
    let before = server.memory();
    let mut greedy = Vec::new();
    for _ in 0..40 {
        let socket = TcpStream::connect(server.admin).await.expect("a connection");
        let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3_000);
        greedy.push(spawn(async move {
            let mut socket = socket;
            let _ = socket.write_all(requests.as_bytes()).await;
            std::future::pending::<()>().await;
        }));
    }
    for _ in 0..40 {
        assert!(get(server.admin, "/health").await.ends_with("ok\n"));
        get(server.admin, "/metrics").await;
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
}
