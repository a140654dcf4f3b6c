//! Requests of operators are answered on the admin listener, and there alone.

use crate::{
    process::Launch,
    support::{get, get_with},
};

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
