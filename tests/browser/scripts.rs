//! The scripts of the page as they are written: imports, and the close codes that they share with
//! the documents.

use crate::support::{Browser, LIGHT_DICE, server, within};
use futures_util::StreamExt;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    accept_async,
    tungstenite::protocol::{CloseFrame, frame::coding::CloseCode},
};

/// The rows of docs/protocol.md: `| 1002 | protocol error | no |`. `other` stands for all other
/// codes.
fn documented() -> BTreeMap<String, bool> {
    let protocol = fs::read_to_string("docs/protocol.md").expect("a document");
    let (_, table) =
        protocol.split_once("| close code | name | come back |\n|---|---|---|\n").expect("a table");
    let row = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, _, come_back @ ("yes" | "no")] = cells[..] else { panic!("{row}") };
        (code.to_owned(), come_back == "yes")
    };
    table.lines().take_while(|line| line.starts_with('|')).map(row).collect()
}

#[tokio::test]
async fn the_page_and_the_module_reconnect_after_the_codes_of_the_documents() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "#tea").await;
    let documented = documented();
    let others = [999, 1004, 1015, 1016, 2999, 3000, 4000, 4999].map(|code| code.to_string());
    for script in ["worldcast.js", "close-codes.js"] {
        for code in documented.keys().filter(|code| *code != "other").chain(&others) {
            let ask = format!(
                "const done = arguments[0]; import('./{script}').then((it) => done(it.comesBackAfter({code})));"
            );
            let expected = documented.get(code).unwrap_or(&documented["other"]);
            assert_eq!(window.awaits(&ask).await, json!(expected), "{code} in {script}");
        }
    }
    let listed = "const done = arguments[0];
        import('./worldcast.js').then(({ CLOSE_CODES }) => done(Object.keys(CLOSE_CODES)));";
    let codes: Vec<_> = documented.keys().filter(|code| *code != "other").collect();
    assert_eq!(window.awaits(listed).await, json!(codes), "the tables list the same codes");
    browser.logs_no_errors().await;
}

/// A WebSocket server that closes every connection with `code`.
async fn server_that_closes_with(code: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = accept_async(socket).await else { continue };
            let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
            let _ = socket.close(Some(frame)).await;
            tokio::spawn(async move {
                while let Some(Ok(_)) = socket.next().await {} // until the client has answered
            });
        }
    });
    address
}

/// Keeps every line that the log has shown in `seen`: the count of an outage goes on.
const RECORDS_LINES: &str = "window.seen = new Set();
    new MutationObserver(() => document.querySelectorAll('#rows .line').forEach((line) => seen.add(line.textContent)))
      .observe(document, { subtree: true, childList: true, characterData: true });";

#[tokio::test]
async fn a_page_whose_connection_is_closed_reconnects_unless_it_would_break_the_same_rule_again() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    for (code, comes_back) in [(1000, true), (1014, true), (4321, true), (1003, false), (1008, false)] {
        let address = server_that_closes_with(code).await;
        let script = format!("{LIGHT_DICE} {RECORDS_LINES}");
        let window = browser.opens_with(&script, &server).await;
        window.has_line("client: received from client: hello").await;
        window.fills("#address", &format!("{address}/websocket")).await;
        window.clicks("#connect").await;
        if comes_back {
            let counted = format!("client: still not connected, 3 attempts failed ({code} ");
            let seen = "[...seen].some((line) => line.startsWith(arguments[0]))";
            let lines = async { while window.evaluates(seen, &counted).await != true {} };
            within(&counted, lines).await;
        } else {
            window.is("closed").await;
            let closed = format!("client: ws connection is closed ({code} ");
            let is_last = async || window.lines().await.pop().is_some_and(|last| last.starts_with(&closed));
            within(&closed, async { while !is_last().await {} }).await; // a line is drawn after the state
        }
        window.closes().await;
    }
}

/// The names that a script imports, as written: `./frame.js`. Imports in comments are types and
/// load nothing.
fn imports(source: &str) -> BTreeSet<String> {
    let from = |line: &str| {
        let is_comment = ["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
        let (_, from) = line.split_once(" from './")?;
        (!is_comment).then(|| from.trim_end_matches("';").to_owned())
    };
    source.lines().filter_map(from).collect()
}

#[test]
fn no_script_imports_itself_through_others_and_the_module_imports_nothing() {
    let files = fs::read_dir("static").expect("the page").map(|file| file.expect("a file").path());
    let mut scripts: BTreeMap<String, BTreeSet<String>> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
            (name, imports(&fs::read_to_string(&path).expect("a script")))
        })
        .collect();
    assert!(scripts["app.js"].len() > 5 && scripts["worldcast.js"].is_empty(), "{scripts:#?}");
    while !scripts.is_empty() {
        let next = scripts.iter().find(|(_, imports)| imports.iter().all(|name| !scripts.contains_key(name)));
        let Some((next, _)) = next else { panic!("a circle: {scripts:#?}") };
        scripts.remove(&next.clone());
    }
}
