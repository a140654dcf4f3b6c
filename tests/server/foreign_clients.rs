//! Clients in other languages, by foreign libraries.

use crate::support::{Fake, Host, QuietProxy, TestServer, output_of, proxy_that_cuts};
use serde_json::{Value, json};
use std::{fs, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// The folder of the clients.
fn script(name: &str) -> String {
    format!("{}/tests/server/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[actix_web::test]
async fn a_page_that_copies_our_module_loses_and_doubles_nothing() {
    // However long it is away.
    let server = TestServer::with(|settings| settings.history.messages = 100_000).await;
    let cuts = Duration::from_millis(300)..Duration::from_millis(600);
    let proxy = proxy_that_cuts(server.address(), cuts).await.to_string();
    let (address, script) = (server.address().to_string(), script("module.mjs"));
    let arguments = ["--no-warnings", "--experimental-websocket", &script, &address, &proxy];
    if let Some(output) = output_of("node", &arguments).await {
        assert_eq!(output, "all is well\n");
    }
}

/// Runs a script for Node with `arguments`; it prints that all is well, or fails.
async fn node_runs(name: &str, arguments: &[&str]) {
    let script = script(name);
    let arguments = [&["--no-warnings", "--experimental-websocket", &script], arguments].concat();
    if let Some(output) = output_of("node", &arguments).await {
        assert_eq!(output, "all is well\n");
    }
}

#[actix_web::test]
async fn our_module_lets_calls_wait_for_the_first_open_within_bounds() {
    let server = TestServer::start().await;
    let mute = Fake::that_never_answers().await;
    node_runs("calls.mjs", &[&server.address().to_string(), &mute.address.to_string()]).await;
}

/// The module's clock runs fast in this script, so that its deadlines are short.
#[actix_web::test]
async fn our_module_notices_silence_and_reconnects_more_and_more_slowly() {
    let server = TestServer::start().await;
    let quiet = QuietProxy::start(server.address()).await;
    let (mute, full) = (Fake::that_is_mute().await, Fake::that_closes_with(1013).await);
    let addresses = [server.address(), quiet.address, mute.address, full.address].map(|it| it.to_string());
    let mut anna = server.join("news").await;
    let silence = async {
        while anna.receives().await != "fall silent" {}
        quiet.falls_silent();
    };
    let arguments: Vec<_> = addresses.iter().map(String::as_str).collect();
    tokio::select! {
        () = node_runs("silence.mjs", &arguments) => {}
        () = async { silence.await; std::future::pending().await } => {}
    }
}

/// Answers as a server of several nodes does whose backplane has failed.
fn answer_of_a_failed_backplane(request: &str) -> Vec<String> {
    let Ok(request) = serde_json::from_str::<Value>(request) else {
        let since = request.split_once("since=").map_or("", |(_, rest)| rest.split('&').next().unwrap());
        let welcome = json!({"type": "welcome", "session": "s", "who": since, "epoch": "a", "offset": 0});
        return vec![welcome.to_string()];
    };
    let message = |offset, text| json!({"type": "message", "offset": offset, "time": "", "text": text});
    let ack = |offset| json!({"type": "ack", "ref": request["ref"], "offset": offset});
    let epoch = |epoch, kept, offset: Option<u64>| match offset {
        Some(offset) => json!({"type": "epoch", "epoch": epoch, "kept": kept, "offset": offset}),
        None => json!({"type": "epoch", "epoch": epoch, "kept": kept}),
    };
    let frames = match request["text"].as_str().unwrap_or_default() {
        "three messages" => vec![message(1, "one"), message(2, "two"), message(3, "three"), ack(3)],
        "lose two" => vec![epoch("b", 1, None), message(2, "another two"), ack(2)],
        "skip two" => vec![epoch("d", 3, Some(5)), ack(6)],
        "lose none" => vec![epoch("c", 9, None), ack(3)],
        "unconfirmed" => {
            vec![
                json!({"type": "error", "ref": request["ref"], "code": "backplane", "message": "not confirmed"}),
            ]
        }
        _ => return vec!["close".to_owned()],
    };
    frames.iter().map(Value::to_string).collect()
}

#[actix_web::test]
async fn our_module_says_which_messages_are_lost_or_unconfirmed_and_resumes_in_the_new_epoch() {
    let fake = Fake::that_answers(answer_of_a_failed_backplane).await;
    node_runs("lost-history.mjs", &[&fake.address.to_string()]).await;
}

#[actix_web::test]
async fn the_types_of_our_module_are_true() {
    const CHECK: [&str; 8] =
        ["--noEmit", "--allowJs", "--checkJs", "--target", "es2023", "--lib", LIBRARIES, "--module"];
    const LIBRARIES: &str = "es2023,dom,dom.iterable";
    if !has_library("node", &["-e", "require('typescript')"]).await {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let copy = |from: &str, to: &str| {
        let from = format!("{}/{from}", env!("CARGO_MANIFEST_DIR"));
        let to = directory.path().join(to);
        fs::copy(from, &to).expect("a file of ours");
        to.to_str().expect("a path in UTF-8").to_owned()
    };
    copy("static/worldcast.js", "worldcast.js");
    copy("static/worldcast.d.ts", "worldcast.d.ts");
    // Without declarations beside it.
    let implementation = copy("static/worldcast.js", "implementation.js");
    let program = copy("tests/server/clients/types.ts", "program.ts");
    let compiler = ["-e", "require('typescript/lib/tsc.js')", "tsc"];
    let module = ["esnext", "--moduleResolution", "bundler", "--moduleDetection", "force"];
    let strict = ["--strict", &program, &implementation];
    assert_eq!(
        output_of("node", &[&compiler[..], &CHECK, &module, &strict].concat()).await.as_deref(),
        Some("")
    );

    let page: Vec<_> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static"))
        .expect("the page")
        .map(|file| file.expect("a file").path().to_str().expect("a path in UTF-8").to_owned())
        .filter(|path| path.ends_with(".js"))
        .collect();
    let page: Vec<_> = page.iter().map(String::as_str).collect();
    assert_eq!(
        output_of("node", &[&compiler[..], &CHECK, &module, &page].concat()).await.as_deref(),
        Some("")
    );
}

#[actix_web::test]
async fn python_resumes() {
    let server = TestServer::start().await;
    if !has_library("python3", &["-c", "import websockets"]).await {
        return;
    }
    let (address, script) = (server.address().to_string(), script("resume.py"));
    let output = output_of("python3", &[&script, &address]).await;
    assert_eq!(output.as_deref(), Some("all is well\n"));
}

#[actix_web::test]
async fn node_publishes_and_requests_earlier_messages() {
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
    if let Some(output) = output_of("java", &[&script, &address]).await {
        assert_eq!(output, "all is well\n");
    }
}

/// True if the program finds a library; fails without it where WORLDCAST_REQUIRE names the program.
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
async fn the_server_behaves_as_its_openapi_document_says() {
    const KEY: &str = "a-key-that-nobody-guesses";
    let server = TestServer::with(|settings| {
        settings.publish.keys = vec![KEY.into()];
        settings.publish.idempotency_keys = 0; // the same key with something else would be refused, rightly
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
