//! What a browser gets, and what it never gets.

use crate::support::{Answer, Host, Raw, TestServer, answer, answer_with};
use actix_web::{http::Method, test::TestRequest};
use std::{fs, net::SocketAddr, os::unix::fs::symlink};
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

#[actix_web::test]
async fn the_copy_inside_the_binary_is_served_where_there_is_no_directory() {
    let nowhere = |name: &str| {
        let request = TestRequest::get().uri(&format!("/{name}"));
        answer_with(|settings| settings.page.directory = "no such directory".into(), request)
    };
    let files = fs::read_dir("static").unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    for name in files.chain([String::new()]) {
        let (copy, file) = (nowhere(&name).await, get(&format!("/{name}")).await);
        assert!(copy.status == 200 && copy.body == file.body, "{name}");
        assert!(file.header("content-type").starts_with(copy.header("content-type")), "{name}");
    }
    assert_eq!(nowhere("missing").await.status, 404);
    assert_eq!(nowhere("../Cargo.toml").await.status, 404);
}

#[actix_web::test]
async fn a_directory_of_the_operator_is_served_instead() {
    let page = tempfile::tempdir().unwrap();
    fs::write(page.path().join("index.html"), "ours").unwrap();
    let served = answer_with(|settings| settings.page.directory = page.path().into(), TestRequest::get());
    assert_eq!(served.await.body, b"ours");
}

#[actix_web::test]
async fn a_browser_is_told_to_load_nothing_from_elsewhere() {
    for path in ["/", "/app.js", "/missing"] {
        let file = get(path).await;
        let policy = file.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(file.header("referrer-policy"), "no-referrer", "{path}");
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
async fn a_copy_is_good_until_the_file_changes() {
    let file = get("/app.js").await;
    assert_eq!(file.header("cache-control"), "no-cache");
    let tag = file.header("etag").to_owned();
    let ask_again =
        |tag: String| answer(TestRequest::get().uri("/app.js").insert_header(("If-None-Match", tag)));

    let unchanged = ask_again(tag.clone()).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), tag);
    assert_eq!(ask_again("\"another\"".to_owned()).await.status, 200);
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let server = TestServer::start().await;
    for path in ["/", "/app.js", "/rooms/news", "/missing"] {
        let full = server.get(path).await;
        let (head_of_get, body) = full.split_once("\r\n\r\n").unwrap();
        assert!(!body.is_empty(), "{path}");

        let mut raw = Raw::connect(server.address()).await;
        raw.sends(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
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
async fn what_can_only_be_read_says_so() {
    for path in ["/", "/app.js", "/missing", "/rooms/news"] {
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
    for path in ["/missing", "/rooms/", "/rooms/a/b", "/websockets", "/index", "/static/app.js"] {
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
async fn a_newcomer_finds_the_page_on_port_3000_and_programs_sockets_on_8080() {
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
    anna.says("hello").await;
    assert_eq!(bert.hears().await, "hello");
}

struct Listener(SocketAddr);

impl Host for Listener {
    fn address(&self) -> SocketAddr {
        self.0
    }
}
