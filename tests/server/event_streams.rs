//! Listening over HTTP: Server-Sent Events, history, and what is known about rooms.

use crate::support::{Events, Host, Http, Raw, TestServer, V1, answer, answer_with, output_of, within};
use actix_web::{rt::spawn, test::TestRequest};
use serde_json::{Value, json};
use std::time::Duration;
use worldcast::config::Settings;

const EVENTS: &str = "/rooms/news/events";

#[actix_web::test]
async fn an_event_stream_receives_the_messages_of_its_room() {
    let server = TestServer::start().await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    let welcome = anna.receives().await.unwrap();
    let facts: Value = serde_json::from_str(&welcome.data).unwrap();
    assert_eq!(
        (welcome.name.as_str(), &facts["room"], &facts["offset"]),
        ("welcome", &json!("news"), &json!(0))
    );

    let mut bert = server.join("news").await;
    bert.publishes("two\nlines").await;
    let event = anna.receives().await.unwrap();
    assert_eq!((event.name.as_str(), event.data.as_str()), ("", "two\nlines"));
    assert_eq!(event.id, format!("{}-1", facts["epoch"].as_str().unwrap()));
    bert.publishes_binary(&[0, 255][..]).await;
    let event = anna.receives().await.unwrap();
    assert_eq!((event.name.as_str(), event.data.as_str()), ("binary", "AP8="));
}

#[actix_web::test]
async fn the_last_event_id_resumes() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    anna.receives().await;
    bert.publishes("1").await;
    let last = anna.receives().await.unwrap().id;
    drop(anna);
    for number in 2..=5 {
        bert.publishes(number.to_string()).await;
    }
    bert.receives_many(5).await;

    for (path, header) in [(EVENTS.to_owned(), last.as_str()), (format!("{EVENTS}?since={last}"), "")] {
        let mut anna = Events::connect(server.address(), &path, header).await;
        assert!(anna.receives_data().await.contains(r#""recovered":true"#));
        for number in 2..=5 {
            assert_eq!(anna.receives_data().await, number.to_string());
        }
    }
    let mut late = Events::connect(server.address(), EVENTS, "0123456789abcdef-1").await;
    assert!(late.receives_data().await.contains(r#""offset":5,"recovered":false"#));
    for foreign in ["7", "0000000000000000-0", "0000000000000000-5", "-", "of another server", "\u{e9}"] {
        let mut foreign = Events::connect(server.address(), EVENTS, foreign).await;
        assert!(foreign.receives_data().await.contains(r#""offset":5,"recovered":false"#));
    }
    for query in ["since=7", "since=of+another", "since=%ff", "lastEventId=7"] {
        let mut foreign = Events::connect(server.address(), &format!("{EVENTS}?{query}"), "").await;
        let welcome = foreign.receives_data().await;
        assert!(welcome.contains(r#""offset":5,"recovered":false"#), "{query}: {welcome}");
    }
    let mut polyfill = Events::connect(server.address(), &format!("{EVENTS}?lastEventId={last}"), "").await;
    assert!(polyfill.receives_data().await.contains(r#""recovered":true"#));
    let mut empty = Events::connect(server.address(), &format!("{EVENTS}?since="), "").await;
    assert!(!empty.receives_data().await.contains("recovered"), "an empty position asks for nothing");
    bert.publishes("live").await;
    assert_eq!(late.receives_data().await, "live");
}

#[actix_web::test]
async fn an_event_stream_may_begin_with_the_last_messages() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    for number in 1..=3 {
        bert.publishes(number.to_string()).await;
    }
    bert.receives_many(3).await;
    let mut anna = Events::connect(server.address(), &format!("{EVENTS}?last=2"), "").await;
    anna.receives().await;
    assert_eq!((anna.receives_data().await, anna.receives_data().await), ("2".to_owned(), "3".to_owned()));
}

#[actix_web::test]
async fn an_event_stream_counts_as_a_client_until_it_ends() {
    let server = TestServer::with(keeps_alive_often).await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    anna.receives().await;
    server.has_clients("news", 1).await;
    drop(anna);
    server.has_clients("news", 0).await;
}

#[actix_web::test]
async fn a_quiet_stream_is_kept_alive() {
    let server = TestServer::with(keeps_alive_often).await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    anna.receives().await;
    for _ in 0..20 {
        assert_eq!(anna.receives_block().await.unwrap(), ":");
    }
}

fn keeps_alive_often(settings: &mut Settings) {
    settings.session.ping_after = Duration::from_millis(20);
    settings.session.pong_within = Duration::from_millis(20);
}

#[actix_web::test]
async fn an_event_stream_that_is_not_read_ends_while_others_receive_everything() {
    let server =
        TestServer::with(|settings| settings.session.stalled_write = Duration::from_millis(300)).await;
    let mut publisher = server.join("news").await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    anna.receives().await;
    let stalled = Events::connect(server.address(), EVENTS, "").await;
    server.has_clients("news", 3).await;
    let publishing = spawn(async move {
        for number in 0..300 {
            let message = format!("{number} {}", "x".repeat(60_000));
            publisher.publishes(message.clone()).await;
            assert!(publisher.receives().await == message);
        }
        publisher
    });
    for number in 0..300 {
        assert!(anna.receives_data().await.starts_with(&format!("{number} ")));
    }
    let _publisher = publishing.await.unwrap();
    server.has_clients("news", 2).await;
    drop(stalled);
}

#[actix_web::test]
async fn a_server_that_stops_sends_an_end_event_to_event_streams() {
    let server = TestServer::start().await;
    let mut anna = Events::connect(server.address(), EVENTS, "").await;
    anna.receives().await;
    let mut bert = server.join("news").await;
    bert.publishes("last words").await;
    bert.waits_until_all_is_accepted().await;
    let stop = server.stop.clone();
    let stopping = spawn(async move { stop.gracefully().await });
    assert_eq!(anna.receives_data().await, "last words");
    let end = anna.receives().await.unwrap();
    assert_eq!(
        (end.name.as_str(), end.data.as_str()),
        ("end", r#"{"code":1012,"reason":"the server restarts"}"#)
    );
    assert!(anna.receives().await.is_none());
    stopping.await.unwrap();
    server.ends().await;
}

#[actix_web::test]
async fn history_is_json() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    for number in 1..=3 {
        anna.publishes(&number.to_string()).await;
        anna.receives().await;
    }
    let read = async |query: &str| {
        Http::get(server.address(), &format!("/rooms/news/messages{query}")).reply().await.json()
    };
    let offsets = |history: &Value| -> Vec<u64> {
        history["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["offset"].as_u64().unwrap())
            .collect()
    };
    let all = read("").await;
    assert_eq!((offsets(&all), &all["offset"]), (vec![1, 2, 3], &json!(3)));
    assert_eq!(
        (&all["messages"][0]["text"], &all["messages"][0]["who"]),
        (&json!("1"), &anna.welcome["who"])
    );
    assert_eq!(offsets(&read("?last=1").await), [3]);
    let since = read(&format!("?{}", anna.since(1).split('&').next().unwrap())).await;
    assert_eq!((offsets(&since), &since["recovered"]), (vec![2, 3], &json!(true)));
    let unknown = read("?since=0123456789abcdef-1").await;
    assert_eq!((offsets(&unknown), &unknown["recovered"]), (vec![], &json!(false)));
    let nowhere =
        Http::get(server.address(), "/rooms/nowhere/messages?since=0123456789abcdef-1").reply().await;
    assert_eq!(nowhere.json(), json!({"room": "nowhere", "recovered": false, "messages": []}));
}

#[actix_web::test]
async fn a_room_reports_its_history() {
    let server = TestServer::start().await;
    let posted = Http::post(server.address(), "/rooms/news/messages").text("x").reply().await.json();
    let facts = Http::get(server.address(), "/rooms/news").reply().await.json();
    let expected =
        json!({"room": "news", "clients": 0, "epoch": posted["epoch"], "offset": 1, "remembered": 1});
    assert_eq!(facts, expected);
}

#[actix_web::test]
async fn rooms_are_listed_page_by_page_for_clients_with_a_key() {
    const KEY: &str = "a-key-that-nobody-guesses";
    let server = TestServer::with(|settings| settings.publish.keys = vec![KEY.into()]).await;
    let mut members = Vec::new();
    for room in ["c", "a", "e", "b", "d"] {
        members.push(server.join(room).await);
    }
    let get = |query: &str| Http::get(server.address(), &format!("/rooms{query}"));
    assert_eq!(get("").reply().await.refusal(), (401, "key_required".to_owned()));
    let (mut listed, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = get(&query).header("Authorization", &format!("Bearer {KEY}")).reply().await.json();
        let rooms = page["rooms"].as_array().unwrap();
        assert!(rooms.len() <= 2 && rooms.iter().all(|room| room["clients"] == 1), "{page}");
        listed.extend(rooms.iter().map(|room| room["room"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!(listed, ["a", "b", "c", "d", "e"]);
}

#[actix_web::test]
async fn invalid_requests_of_histories_and_streams_are_refused() {
    let cases = [
        ("/rooms/a%20b/events", "room_name"),
        ("/rooms/a/events?last=x", "query"),
        ("/rooms/a/messages?last=1&last=2", "query"),
    ];
    for (path, code) in cases {
        let (status, found, _) = answer(TestRequest::get().uri(path)).await.refusal();
        assert_eq!((status, found.as_str()), (400, code), "{path}");
    }
    let (status, code, _) = answer(TestRequest::post().uri(EVENTS)).await.refusal();
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"));
    let elsewhere = TestRequest::get().uri(EVENTS).insert_header(("Origin", "https://evil.example"));
    assert_eq!(answer(elsewhere).await.status, 403);
    assert_eq!(answer(TestRequest::default().method("HEAD".parse().unwrap()).uri(EVENTS)).await.status, 200);
}

/// Otherwise nginx keeps events until there are many.
#[actix_web::test]
async fn proxies_and_caches_are_told_to_keep_no_events() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.sends(format!("GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    let head = raw.reads_head().await.to_lowercase();
    assert!(head.contains("\r\nx-accel-buffering: no\r\n"), "{head}");
    assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
}

#[actix_web::test]
async fn curl_receives_events() {
    let server = TestServer::start().await;
    let url = format!("http://{}{EVENTS}", server.address());
    let listening = spawn(async move { output_of("curl", &["--silent", "--no-buffer", &url]).await });
    let counted = async { while server.clients_in("news").await == 0 && !listening.is_finished() {} };
    within("curl to come", counted).await;
    Http::post(server.address(), "/rooms/news/messages").text("to curl").reply().await;
    server.stop.gracefully().await;
    let Some(received) = listening.await.unwrap() else { return };
    assert!(received.contains("data: to curl\n\nevent: end\n"), "{received}");
}

#[actix_web::test]
async fn a_page_reads_what_it_may_connect_to_and_nothing_else() {
    let shown = |status, origin: &str| (status, origin.to_owned(), "Origin".to_owned());
    assert_eq!(page_requests("GET", "https://app.example").await, shown(200, "https://app.example"));
    assert_eq!(page_requests("OPTIONS", "https://app.example").await, shown(200, "https://app.example"));
    assert_eq!(page_requests("GET", "https://evil.example").await, shown(200, ""));
    assert_eq!(page_requests("OPTIONS", "https://evil.example").await, shown(403, ""));
}

/// A cache that keeps the answer to a program must not give it to a page.
#[actix_web::test]
async fn every_answer_about_rooms_depends_on_the_origin_and_no_other_does() {
    for (method, path, host, vary) in [
        ("GET", "/rooms/news", "localhost:8080", "Origin"),
        ("GET", "/rooms/", "localhost:8080", "Origin"),
        ("GET", "/rooms", "localhost:8080", "Origin"), // needs a key
        ("GET", "/rooms/news/nothing", "localhost:8080", "Origin"),
        ("DELETE", "/rooms/news/batch", "localhost:8080", "Origin"),
        ("OPTIONS", "/rooms/news/messages", "localhost:8080", "Origin"),
        ("GET", "/rooms/news", "evil.example", "Origin"), // another name than ours
        ("GET", "/roomsnews", "localhost:8080", ""),
        ("GET", "/", "localhost:8080", ""),
    ] {
        let request = TestRequest::default().method(method.parse().unwrap()).uri(path);
        let answer = answer(request.insert_header(("Host", host))).await;
        assert_eq!(answer.header("vary"), vary, "{method} {path} at {host}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
    }
    let page = TestRequest::get().uri("/roomsnews").insert_header(("Origin", "http://localhost:3000"));
    assert_eq!(answer(page).await.header("access-control-allow-origin"), "");
}

const FOREIGN: &str = "https://evil.example";
const APP: &str = "https://app.example";

/// A request of a page at [`APP`], which is listed, or at another origin.
fn of_page(method: &str, path: &str, origin: &'static str) -> TestRequest {
    TestRequest::default()
        .method(method.parse().unwrap())
        .uri(path)
        .insert_header(("Host", "api.example"))
        .insert_header(("Origin", origin))
}

/// A page is told why it was refused only if it may read the refusal.
#[actix_web::test]
async fn a_page_that_may_connect_reads_every_refusal() {
    for (method, path, host, status, code) in [
        ("GET", "/rooms", "api.example", 401, "key_required"),
        ("GET", "/rooms/a%20b", "api.example", 400, "room_name"),
        ("GET", "/rooms/news/messages?last=x", "api.example", 400, "query"),
        ("GET", "/rooms/news/events?last=x", "api.example", 400, "query"),
        ("GET", "/rooms/news/nothing", "api.example", 404, "not_found"),
        ("DELETE", "/rooms/news/messages", "api.example", 405, "method_not_allowed"),
        ("POST", "/rooms/news/batch", "api.example", 400, "json"),
        ("OPTIONS", "/rooms/news/messages", "api.example", 405, "method_not_allowed"), // no preflight
        ("GET", "/rooms/news", "other.example", 403, "host"),
    ] {
        let answer = answer_with(in_public, of_page(method, path, APP).insert_header(("Host", host))).await;
        let (found, name, _) = answer.refusal();
        assert_eq!((found, name.as_str()), (status, code), "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{method} {path}");
        assert_eq!(answer.header("vary"), "Origin", "{method} {path}");
    }
}

#[actix_web::test]
async fn a_preflight_passes_for_every_header_that_libraries_send() {
    let headers = "x-requested-with,cache-control, Last-Event-ID,idempotency-key,authorization,content-type";
    for path in ["/rooms/news/messages", "/rooms/news/batch", "/rooms/news/events", "/rooms/news", "/rooms"] {
        for method in ["GET", "HEAD", "POST"] {
            let request = of_page("OPTIONS", path, APP)
                .insert_header(("Access-Control-Request-Method", method))
                .insert_header(("Access-Control-Request-Headers", headers));
            let answer = answer_with(in_public, request).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), APP);
            assert!(answer.header("access-control-allow-methods").contains(method));
            assert_eq!(answer.header("access-control-allow-headers"), headers);
            assert_eq!(answer.header("access-control-max-age"), "600");
            assert_eq!(answer.header("vary"), "Origin");
        }
    }
}

#[actix_web::test]
async fn a_preflight_that_fails_is_a_refusal_like_others() {
    for (origin, host, asked, status, code) in [
        (FOREIGN, "api.example", "POST", 403, "origin"),
        ("null", "api.example", "POST", 403, "origin"),
        (APP, "other.example", "POST", 403, "host"),
        (APP, "api.example", "BREW", 405, "method_not_allowed"),
        (APP, "api.example", "not a method", 405, "method_not_allowed"),
        (APP, "api.example", "", 405, "method_not_allowed"),
    ] {
        let request = of_page("OPTIONS", "/rooms/news/messages", origin)
            .insert_header(("Host", host))
            .insert_header(("Access-Control-Request-Method", asked));
        let answer = answer_with(in_public, request).await;
        let (found, name, _) = answer.refusal();
        assert_eq!((found, name.as_str()), (status, code), "{origin} {host} {asked}");
        assert_eq!(answer.header("access-control-allow-methods"), "");
        assert_eq!(answer.header("vary"), "Origin");
    }
    let without_origin = TestRequest::default()
        .method("OPTIONS".parse().unwrap())
        .uri("/rooms/news/messages")
        .insert_header(("Access-Control-Request-Method", "POST"));
    let (status, code, _) = answer(without_origin).await.refusal();
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"), "no page asks");
}

#[actix_web::test]
async fn a_page_with_two_origins_reads_nothing() {
    for method in ["GET", "OPTIONS"] {
        let request = of_page(method, "/rooms/news", APP)
            .append_header(("Origin", APP))
            .insert_header(("Access-Control-Request-Method", "GET"));
        assert_eq!(
            answer_with(in_public, request).await.header("access-control-allow-origin"),
            "",
            "{method}"
        );
    }
}

fn in_public(settings: &mut Settings) {
    settings.listen = vec![([10, 0, 0, 1], 8080).into()];
    settings.origins.allowed = vec![APP.parse().expect("an origin")];
    settings.origins.hosts = vec!["api.example".parse().expect("a name")];
}

/// The status, the origin that may read the answer, and what the answer depends on.
async fn page_requests(method: &str, origin: &'static str) -> (u16, String, String) {
    let request = of_page(method, "/rooms/news/messages", origin)
        .insert_header(("Access-Control-Request-Method", "POST"));
    let answer = answer_with(in_public, request).await;
    let header = |name| answer.header(name).to_owned();
    (answer.status.as_u16(), header("access-control-allow-origin"), header("vary"))
}
