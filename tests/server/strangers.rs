//! Clients in other languages, by libraries that nobody here wrote.

use crate::support::{Host, TestServer, output_of, proxy_that_cuts};
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// Where the clients are written down.
fn script(name: &str) -> String {
    format!("{}/tests/server/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[actix_web::test]
async fn a_page_that_copies_our_module_loses_and_doubles_nothing() {
    let server = TestServer::with(|settings| settings.history.messages = 100_000).await; // however long it is away
    let cuts = Duration::from_millis(300)..Duration::from_millis(600);
    let proxy = proxy_that_cuts(server.address(), cuts).await.to_string();
    let (address, script) = (server.address().to_string(), script("module.mjs"));
    let arguments = ["--no-warnings", "--experimental-websocket", &script, &address, &proxy];
    if let Some(said) = output_of("node", &arguments).await {
        assert_eq!(said, "all is well\n");
    }
}

#[actix_web::test]
async fn python_resumes() {
    let server = TestServer::start().await;
    if !has_library("python3", &["-c", "import websockets"]).await {
        return;
    }
    let (address, script) = (server.address().to_string(), script("resume.py"));
    let said = output_of("python3", &[&script, &address]).await;
    assert_eq!(said.as_deref(), Some("all is well\n"));
}

#[actix_web::test]
async fn node_talks_and_asks_for_what_was_said() {
    let server = TestServer::start().await;
    if !has_library("node", &["-e", "require('ws')"]).await {
        return;
    }
    let (address, script) = (server.address().to_string(), script("ws.cjs"));
    assert_eq!(output_of("node", &[&script, &address]).await.as_deref(), Some("all is well\n"));
}

#[actix_web::test]
async fn java_connects_and_publishes_again_and_again() {
    let server = TestServer::start().await;
    let (address, script) = (server.address().to_string(), script("Client.java"));
    if let Some(said) = output_of("java", &[&script, &address]).await {
        assert_eq!(said, "all is well\n");
    }
}

/// Whether the program finds a library; fine if not, unless WORLDCAST_REQUIRE names the program.
async fn has_library(program: &str, arguments: &[&str]) -> bool {
    let mut program_itself = Command::new(program);
    let found = program_itself.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    let found = found.is_ok_and(|status| status.success());
    if !found {
        let required = std::env::var("WORLDCAST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == program), "{program} {arguments:?} fails");
        println!("skipped: {program} with its library not found");
    }
    found
}

#[actix_web::test]
async fn what_is_written_about_http_is_what_the_server_does() {
    const KEY: &str = "a-key-that-nobody-guesses";
    let server = TestServer::with(|settings| {
        settings.publish.keys = vec![KEY.to_owned()];
        settings.publish.retries = 0; // the same key with something else would be refused, rightly
    })
    .await;
    if !has_library("schemathesis", &["--version"]).await {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let tried = Command::new("schemathesis")
        .args([
            "--config-file",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/clients/schemathesis.toml"),
        ])
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.yaml")])
        .args(["--url", &format!("http://{}", server.address())])
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .args(["--exclude-path-regex", "events$"]) // they do not end
        .args(["--max-examples", "25", "--no-color"])
        .current_dir(&home)
        .output();
    let tried = timeout(Duration::from_secs(180), tried).await.expect("an end").expect("it runs");
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stdout));
}
