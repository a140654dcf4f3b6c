//! What operators ask is answered on a listener of its own, and there alone.

use crate::{process::Launch, support::get};

#[tokio::test]
async fn the_admin_listener_says_whether_the_server_lives_and_takes_clients() {
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
async fn metrics_are_openmetrics() {
    let server = Launch::with::<&str>(&[]).start();
    let answer = get(server.admin, "/metrics").await;
    assert!(answer.to_lowercase().contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    assert!(answer.contains("\nworldcast_sessions 0\n"), "{answer}");
}

#[tokio::test]
async fn the_public_asks_in_vain() {
    let server = Launch::with::<&str>(&[]).start();
    for listener in &server.listeners {
        for path in ["/health", "/ready", "/metrics"] {
            let answer = get(*listener, path).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
    }
}
