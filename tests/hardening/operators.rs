//! Requests of operators are answered on the admin listener, and there alone.

use crate::{
    process::Launch,
    support::{answer_to, get, get_with},
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
