//! The page: files that a browser receives, and files that it never receives.

use crate::support::{Answer, Host, Raw, TestServer, answer, answer_with};
use actix_web::{
    http::{Method, StatusCode},
    test::TestRequest,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
};
use worldcast::config::Settings;

async fn get(path: &str) -> Answer {
    answer(TestRequest::get().uri(path)).await
}

#[actix_web::test]
async fn the_page_is_at_the_root() {
    let page = get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body == fs::read("static/index.html").unwrap());
}

#[actix_web::test]
async fn every_file_that_the_page_names_is_there() {
    let mut to_read = vec!["index.html".to_owned()];
    let mut read = Vec::new();
    while let Some(name) = to_read.pop() {
        let file = get(&format!("/{name}")).await;
        assert_eq!(file.status, 200, "{name}");
        to_read.extend(files_named_in(&String::from_utf8(file.body).unwrap()));
        read.push(name);
        to_read.retain(|name| !read.contains(name));
    }
    assert!(read.iter().any(|name| name.ends_with(".js")), "{read:?}");
    assert!(read.iter().any(|name| name.ends_with(".css")), "{read:?}");
}

/// Every quoted name of a file of ours.
fn files_named_in(source: &str) -> impl Iterator<Item = String> {
    let quoted = source.split(['"', '\'', '`']).map(|name| name.trim_start_matches("./"));
    let ours = |name: &&str| {
        let known = [".js", ".css", ".svg"].iter().any(|extension| name.ends_with(extension));
        known && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    quoted.filter(ours).map(str::to_owned)
}

/// The answer of a server without the directory of the page.
async fn answer_from_the_copy(request: TestRequest) -> Answer {
    answer_with(|settings| settings.page.directory = "no such directory".into(), request).await
}

#[actix_web::test]
async fn the_copy_inside_the_binary_is_served_alike_where_there_is_no_directory() {
    let files = fs::read_dir("static").unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    for path in files.map(|name| format!("/{name}")).chain(["/".to_owned()]) {
        let from_directory = |settings: &mut Settings| settings.page.directory = "static".into();
        let file = answer_with(from_directory, TestRequest::get().uri(&path)).await;
        let copy = answer_from_the_copy(TestRequest::get().uri(&path)).await;
        assert!(copy.status == 200 && copy.body == file.body, "{path}");
        assert_eq!(head(&copy), head(&file), "{path}");
    }
    for path in ["/missing", "/../Cargo.toml"] {
        assert_eq!(answer_from_the_copy(TestRequest::get().uri(path)).await.status, 404);
    }
}

/// The headers, sorted, but for what a tag looks like; the copy is too small to be asked for in
/// parts.
fn head(answer: &Answer) -> BTreeMap<String, String> {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "accept-ranges");
    let shown = |name: &str, value: &str| if name == "etag" { "a tag".to_owned() } else { value.to_owned() };
    headers.map(|(name, value)| (name.to_string(), shown(name.as_str(), value.to_str().unwrap()))).collect()
}

#[actix_web::test]
async fn a_directory_of_the_operator_is_served_instead() {
    let page = tempfile::tempdir().unwrap();
    fs::write(page.path().join("index.html"), "ours").unwrap();
    let served = answer_with(|settings| settings.page.directory = page.path().into(), TestRequest::get());
    assert_eq!(served.await.body, b"ours");
}

const POLICY: [&str; 8] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self' ws: wss:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
];

#[actix_web::test]
async fn the_policy_of_the_page_forbids_loading_from_elsewhere() {
    for path in ["/", "/app.js", "/missing"] {
        let file = get(path).await;
        let policy = file.header("content-security-policy");
        assert_eq!(policy.split("; ").collect::<Vec<_>>(), POLICY, "{path}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(file.header("referrer-policy"), "no-referrer", "{path}");
    }
}

#[actix_web::test]
async fn no_answer_lets_a_browser_guess_its_type() {
    for path in [
        "/rooms",
        "/rooms/news",
        "/rooms/news/messages",
        "/rooms/%20",
        "/websocket",
        "/rooms/news/batch",
        "/missing",
    ] {
        assert_eq!(get(path).await.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[actix_web::test]
async fn the_page_never_takes_text_as_markup() {
    for file in fs::read_dir("static").unwrap() {
        let path = file.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        for danger in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"] {
            assert!(!source.contains(danger), "{danger} in {path:?}");
        }
    }
}

#[actix_web::test]
async fn a_cached_file_is_valid_until_the_file_changes() {
    let ask = || TestRequest::get().uri("/app.js");
    let ask_again = |known: String| ask().insert_header(("If-None-Match", known));
    let tags = [answer(ask()).await, answer_from_the_copy(ask()).await].map(|file| {
        assert_eq!(file.header("cache-control"), "no-cache");
        file.header("etag").to_owned()
    });
    for known in ["{tag}", "W/{tag}", "\"another\", {tag}", "*"] {
        let [asked, asked_of_the_copy] = tags.clone().map(|tag| ask_again(known.replace("{tag}", &tag)));
        let answers = [answer(asked).await, answer_from_the_copy(asked_of_the_copy).await];
        for (unchanged, tag) in answers.iter().zip(&tags) {
            assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0), "{known}");
            assert_eq!(unchanged.header("etag"), tag);
        }
        assert_eq!(head(&answers[0]), head(&answers[1]), "{known}");
    }
    let other = || ask_again("\"another\"".to_owned());
    assert_eq!(
        (answer(other()).await.status, answer_from_the_copy(other()).await.status),
        (StatusCode::OK, StatusCode::OK)
    );
}

#[actix_web::test]
async fn the_tag_of_a_file_is_its_own() {
    let mut tags = BTreeSet::new();
    for path in ["/app.js", "/style.css", "/index.html"] {
        let file = answer_from_the_copy(TestRequest::get().uri(path)).await;
        assert!(tags.insert(file.header("etag").to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn an_unknown_address_is_not_found_for_every_method() {
    for path in ["/rooms/news/message", "/rooms/news/messages/1", "/rooms/a/b/c", "/missing"] {
        for request in [TestRequest::get(), TestRequest::post(), TestRequest::delete()] {
            let (status, code, _) = answer(request.uri(path)).await.refusal();
            assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
        }
    }
    assert_eq!(answer(TestRequest::post().uri("/app.js")).await.status, 405);
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let server = TestServer::start().await;
    for path in ["/", "/app.js", "/rooms/news", "/missing"] {
        let full = server.get(path).await;
        let (head_of_get, body) = full.split_once("\r\n\r\n").unwrap();
        assert!(!body.is_empty(), "{path}");

        let mut raw = Raw::connect(server.address()).await;
        raw.sends(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let head = String::from_utf8(raw.reads_to_the_end().await).unwrap();
        assert_eq!(sorted(head.trim_end()), sorted(head_of_get), "{path}");
        assert!(head.ends_with("\r\n\r\n"), "{path}");
    }
}

/// The lines of a head, but for the date, in an order of their own.
fn sorted(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date:")).collect();
    lines.sort_unstable();
    lines
}

#[actix_web::test]
async fn an_address_for_reading_names_its_methods() {
    for path in ["/", "/app.js", "/rooms/news"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let refused = answer(TestRequest::default().method(method.clone()).uri(path)).await;
            let (status, code, _) = refused.refusal();
            assert_eq!((status, code.as_str()), (405, "method_not_allowed"), "{method} {path}");
            assert_eq!(refused.header("allow"), "GET, HEAD");
        }
    }
}

#[actix_web::test]
async fn there_is_nothing_at_other_addresses() {
    for path in ["/missing", "/rooms/a/b", "/websockets", "/index", "/static/app.js"] {
        let (status, code, _) = get(path).await.refusal();
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
    }
}

#[actix_web::test]
async fn nothing_leads_out_of_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let page = outside.path().join("page");
    fs::create_dir(&page).unwrap();
    fs::write(page.join(".hidden"), "secret").unwrap();
    symlink(outside.path().join("secret"), page.join("link")).unwrap();
    symlink(outside.path().join("secret"), page.join("index.html")).unwrap();
    symlink(outside.path(), page.join("folder")).unwrap();
    let server = TestServer::with(|settings| settings.page.directory = page).await;

    let absolute = format!("/{}", outside.path().join("secret").display());
    for path in [
        "/",
        "/link",
        "/index.html",
        "/folder/secret",
        "/.hidden",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/folder/../../secret",
        "/..%5csecret",
        "/%252e%252e/secret",
        "/.%00./secret",
        &absolute,
    ] {
        let answer = server.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
}

#[actix_web::test]
async fn the_defaults_serve_the_page_on_port_3000_and_websocket_on_8080() {
    let addresses = Settings::default().listen;
    assert_eq!(addresses, ["127.0.0.1:3000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap()]);
}

#[actix_web::test]
async fn every_listener_serves_the_page_and_sockets_alike() {
    let server = TestServer::with(|settings| settings.listen = vec![([127, 0, 0, 1], 0).into(); 2]).await;
    let [first, second] = [0, 1].map(|at| Listener(server.addresses[at]));
    assert_ne!(first.0, second.0);
    for listener in [&first, &second] {
        assert!(listener.get("/").await.starts_with("HTTP/1.1 200 "));
    }

    let (mut anna, mut bert) = (first.join("news").await, second.join("news").await);
    anna.publishes("hello").await;
    assert_eq!(bert.receives().await, "hello");
}

struct Listener(SocketAddr);

impl Host for Listener {
    fn address(&self) -> SocketAddr {
        self.0
    }
}
