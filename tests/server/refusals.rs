//! Every refusal of docs/protocol.md, caused once over a real socket: its status, its code, and its
//! count in the metrics.

use crate::support::{Host, Http, Raw, Reply, TestServer, answer_while_stopping, handshake, within};
use actix_web::test::TestRequest;
use serde_json::json;
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, time::Duration};
use worldcast::config::{ByteSize, Settings};

const KEY: &str = "a-key-that-nobody-guesses";
const NEWS: &str = "/rooms/news/messages";

/// A refusal of the tables.
type Row = (u16, String);

/// The refusals in the tables of docs/protocol.md, whose status has three digits, with the headers
/// in the last column.
fn rows() -> impl Iterator<Item = (Row, &'static str)> {
    let row = |line: &'static str| {
        let (status, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        let (code, rest) = rest.split_once("` | ")?;
        let status = status.parse().ok().filter(|status| (400..600).contains(status))?;
        let headers = rest.trim_end_matches([' ', '|']).rsplit_once(" | ").map_or("", |(_, headers)| headers);
        Some(((status, code.to_owned()), headers))
    };
    include_str!("../../docs/protocol.md").lines().filter_map(row)
}

fn documented() -> BTreeSet<Row> {
    rows().map(|(row, _)| row).collect()
}

/// The refusal in `reply`, which has the headers of its row, and which the metrics have counted.
async fn counted(server: &TestServer, reply: Reply) -> Row {
    let refusal = reply.refusal();
    let headers = rows().find(|(row, _)| *row == refusal).map_or("", |(_, headers)| headers);
    for header in headers.split('`').skip(1).step_by(2) {
        let header = header.trim_end_matches("LENGTH").to_lowercase();
        assert!(reply.head.contains(&format!("\r\n{header}")), "{header}: {reply:?}");
    }
    server.counts_at_least(&format!(r#"refusals_total{{reason="{}"}}"#, refusal.1), 1).await;
    refusal
}

/// The refusal that the server answers `request` with.
async fn refusal(server: &TestServer, request: &[u8]) -> Row {
    counted(server, Http::raw_request(server.address(), request).await).await
}

/// The same for the first of many equal requests that is refused.
async fn first_refusal(server: &TestServer, request: &Http) -> Row {
    let refusal = async {
        loop {
            let reply = request.reply().await;
            if reply.status >= 400 {
                return reply;
            }
        }
    };
    counted(server, within("a refusal", refusal).await).await
}

async fn of_one_request(caused: &mut BTreeSet<Row>) {
    let page = tempfile::tempdir().unwrap();
    symlink("loop", page.path().join("loop")).unwrap();
    fs::write(page.path().join("file"), "0123456789").unwrap();
    let server = TestServer::with(|settings: &mut Settings| {
        settings.page.directory = page.path().into();
        settings.limits.rooms = 1;
        settings.publish.keys = vec![KEY.into()];
        settings.rooms.overrides.push(toml::from_str("match = \"feed\"\nanyone = false").unwrap());
    })
    .await;
    let _anna = server.join("news").await;
    let address = server.address();
    let request = |method, path| Http::new(address, method, path);
    let (get, post) = (|path| request("GET", path), || request("POST", NEWS));
    let feed = || request("POST", "/rooms/feed/messages").text("x");
    let order = |text| post().header("Idempotency-Key", "one").text(text);
    assert_eq!(order("first").reply().await.status, 201);

    for (request, status, code) in [
        (b"GET / HTTP/3.1\r\nHost: localhost\r\n\r\n".to_vec(), 400, "request"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400, "request"),
        (handshake("/websocket", "Host: a\r\nHost: a\r\n").into_bytes(), 400, "request"),
        (handshake("/websocket", "Sec-WebSocket-Key: short\r\n").into_bytes(), 400, "websocket_handshake"),
        (get("/rooms/a%20b").to_bytes(), 400, "room_name"),
        (get("/rooms/news/messages?last=x").to_bytes(), 400, "query"),
        (get("/rooms/news/messages?last=1&last=1").to_bytes(), 400, "query"),
        (post().header("Origin", "https://evil.example").text("x").to_bytes(), 403, "origin"),
        (handshake("/websocket", "Host: evil.example\r\n").into_bytes(), 403, "host"),
        (get("/nowhere").to_bytes(), 404, "not_found"),
        (get("/rooms/news/messages/1").to_bytes(), 404, "not_found"),
        (request("DELETE", NEWS).to_bytes(), 405, "method_not_allowed"),
        (get("/websocket").to_bytes(), 426, "upgrade_required"),
        (handshake("/websocket", "Sec-WebSocket-Version: 8\r\n").into_bytes(), 426, "websocket_version"),
        (get("/").header("X", &"x".repeat(17 << 10)).to_bytes(), 431, "head_too_large"),
        (handshake("/", &"A: b\r\n".repeat(97)).into_bytes(), 431, "head_too_large"),
        (get("/loop").to_bytes(), 500, "file"),
        (get("/file").header("If-Match", "\"other\"").to_bytes(), 412, "precondition"),
        (get("/file").header("Range", "bytes=10-").to_bytes(), 416, "range"),
        (post().bytes("text/plain", &[255]).to_bytes(), 400, "not_utf8"),
        (request("POST", "/rooms/news/batch").json(json!({})).to_bytes(), 400, "json"),
        (post().header("Idempotency-Key", "a b").text("x").to_bytes(), 400, "idempotency_key"),
        (feed().to_bytes(), 401, "key_required"),
        (feed().header("Authorization", "Bearer another-key").to_bytes(), 401, "key"),
        (post().text(&"x".repeat(65_537)).to_bytes(), 413, "too_large"),
        (post().header("Content-Encoding", "gzip").text("x").to_bytes(), 415, "encoding"),
        (post().bytes("text/plain; charset=latin1", b"x").to_bytes(), 415, "charset"),
        (order("second").to_bytes(), 422, "idempotency_key_reused"),
        (request("POST", "/rooms/other/messages").text("x").to_bytes(), 503, "rooms"),
    ] {
        let found = refusal(&server, &request).await;
        assert_eq!(found, (status, code.to_owned()), "{}", String::from_utf8_lossy(&request));
        caused.insert(found);
    }
}

/// A request whose body ends early, and those whose head or body does not come.
async fn of_an_incomplete_request(caused: &mut BTreeSet<Row>) {
    let server = TestServer::with(|settings| {
        settings.session.handshake_within = Duration::from_millis(300);
    })
    .await;
    let post = format!("POST {NEWS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    for (request, ends, status, code) in [
        (&*post, true, 400, "body"),
        (&*post, false, 408, "timeout"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n", false, 408, "timeout"),
    ] {
        let before = server.count(&format!(r#"refusals_total{{reason="{code}"}}"#)).await;
        let mut raw = Raw::connect(server.address()).await;
        raw.sends(request).await;
        if ends {
            raw.half_closes().await;
        }
        let answer = String::from_utf8(raw.reads_to_the_end().await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!(r#""error":"{code}""#)), "{answer}");
        server.counts_at_least(&format!(r#"refusals_total{{reason="{code}"}}"#), before + 1).await;
        caused.insert((status, code.to_owned()));
    }
}

/// One client more than a limit allows.
async fn of_limits_of_connections(caused: &mut BTreeSet<Row>) {
    let limit = async |adjust: fn(&mut Settings)| {
        let server = TestServer::with(adjust).await;
        let _anna = server.join("news").await;
        refusal(&server, handshake("/websocket/news", "").as_bytes()).await
    };
    caused.insert(limit(|settings| settings.limits.connections = 1).await);
    caused.insert(limit(|settings| settings.limits.connections_per_ip = 1).await);

    let server = TestServer::with(|settings| settings.limits.connections_per_second = 1).await;
    let refused = async {
        loop {
            let mut client = Raw::connect(server.address()).await;
            client.sends(handshake("/websocket/news", "")).await;
            let head = client.reads_head().await;
            if !head.starts_with("HTTP/1.1 101 ") {
                return head;
            }
        }
    };
    let head = within("a refusal", refused).await;
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1\r\n"), "{head}");
    server.counts_at_least(r#"refusals_total{reason="connections_per_second"}"#, 1).await;
    caused.insert((503, "connections_per_second".to_owned()));
}

/// One address that needs more than its share.
async fn of_shares(caused: &mut BTreeSet<Row>) {
    let server = TestServer::with(|settings| {
        settings.limits.body_bytes = ByteSize::from_mib(1);
        settings.session.stalled_write = Duration::from_millis(50);
    })
    .await;
    let mut unfinished = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::connect(server.address()).await;
        let head = format!("POST {NEWS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65000\r\n\r\n");
        raw.sends([head.as_bytes(), &[b'x'; 60_000]].concat()).await;
        unfinished.push(raw);
    }
    let large = Http::post(server.address(), NEWS).text(&"x".repeat(60_000));
    caused.insert(first_refusal(&server, &large).await);

    let server = TestServer::with(|settings| settings.publish.idempotency_keys = 8).await;
    for number in 0..8 {
        let post =
            Http::post(server.address(), NEWS).header("Idempotency-Key", &number.to_string()).text("x");
        let reply = post.reply().await;
        if reply.status != 201 {
            caused.insert(counted(&server, reply).await);
        }
    }
}

#[actix_web::test]
async fn every_refusal_of_the_tables_is_answered_and_counted_as_they_say() {
    let mut caused = BTreeSet::new();
    of_one_request(&mut caused).await;
    of_an_incomplete_request(&mut caused).await;
    of_limits_of_connections(&mut caused).await;
    of_shares(&mut caused).await;
    caused.insert((503, "stopping".to_owned())); // by the next test: a socket meets it only in the moment of the end
    caused.insert((503, "backplane".to_owned())); // a single node has no backplane that can fail
    assert_eq!(caused, documented());
}

#[actix_web::test]
async fn a_server_whose_hub_has_stopped_says_that_it_is_shutting_down() {
    for request in
        [TestRequest::post().uri(NEWS), TestRequest::get().uri(NEWS), TestRequest::get().uri("/rooms/news")]
    {
        let (status, code, _) = answer_while_stopping(request).await.refusal();
        assert_eq!((status, code.as_str()), (503, "stopping"));
    }
}
