//! The program as a client: lines into a room, and out of it.

use crate::support::{Host, TestServer, proxy_that_cuts, within};
use actix_web::rt::spawn;
use std::{net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

fn worldcast(command: &str, server: SocketAddr, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_worldcast"))
        .args([command, "--room", "news", "--server", &format!("ws://{server}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts")
}

/// The exit code, and what was said on standard error.
async fn end_of(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let output = within("the end of the program", child.wait_with_output()).await.expect("a child of ours");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[actix_web::test]
async fn every_line_goes_into_the_room_and_then_the_pipe_ends() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    let lines: Vec<_> = (0..1000).map(|number| format!("line {number}")).collect();
    let input = pipe.stdin.as_mut().unwrap();
    input.write_all((lines.join("\n") + "\n\n").as_bytes()).await.unwrap();
    input.write_all(b"\xff\nwithout an end").await.unwrap();
    assert_eq!(end_of(pipe).await, (Some(0), String::new()));
    assert_eq!(anna.hears_many(1000).await, lines);
    assert_eq!(anna.hears().await, "");
    assert_eq!(anna.hears_binary().await, b"\xff"[..]);
    assert_eq!(anna.hears().await, "without an end");
}

#[actix_web::test]
async fn a_pipe_whose_connection_is_cut_loses_and_doubles_nothing() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let proxy = proxy_that_cuts(server.address(), Duration::from_millis(5)..Duration::from_millis(30)).await;
    let mut pipe = worldcast("pipe", proxy, &[]);
    let lines: Vec<_> = (0..2000).map(|number| format!("line {number}")).collect();
    let mut input = pipe.stdin.take().unwrap();
    let text = lines.join("\n");
    let talk = spawn(async move { input.write_all(text.as_bytes()).await.unwrap() });
    assert_eq!(anna.hears_many(2000).await, lines);
    talk.await.unwrap();
    assert_eq!(end_of(pipe).await.0, Some(0));
    anna.says("the next").await;
    assert_eq!(anna.hears().await, "the next"); // a double would have come first
}

#[actix_web::test]
async fn a_listener_prints_what_is_said_until_nobody_reads_it() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.says("before").await;
    anna.hears().await;
    let mut listener = worldcast("listen", server.address(), &["--last", "1"]);
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut line = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    assert_eq!(line().await, "before");
    anna.says("live").await;
    assert_eq!(line().await, "live");
    anna.says_binary(&b"bytes"[..]).await;
    assert_eq!(line().await, "bytes");
    drop(lines);
    let talk = spawn(async move {
        loop {
            anna.says("to nobody").await;
            anna.hears_message().await;
        }
    });
    assert_eq!(end_of(listener).await.0, Some(0));
    talk.abort();
}

#[actix_web::test]
async fn a_listener_whose_connection_is_cut_misses_and_doubles_nothing() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let proxy = proxy_that_cuts(server.address(), Duration::from_millis(5)..Duration::from_millis(30)).await;
    let mut listener = worldcast("listen", proxy, &[]);
    server.comes_to("news", 2).await;
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut numbers = Vec::new();
    for number in 0..500 {
        anna.says(number.to_string()).await;
        anna.hears().await;
    }
    while numbers.len() < 500 {
        let line = within("a line", lines.next_line()).await.unwrap().unwrap();
        numbers.push(line.parse::<u32>().unwrap());
    }
    assert!(numbers.into_iter().eq(0..500));
}

#[actix_web::test]
async fn whoever_may_not_publish_is_told_with_exit_code_1() {
    let server = TestServer::with(|settings| {
        settings.publish.anyone = false;
        settings.publish.keys = vec!["a-key-that-nobody-guesses".to_owned()];
    })
    .await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    pipe.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    let (code, said) = end_of(pipe).await;
    assert_eq!(code, Some(1));
    assert_eq!(said, "worldcast: the server refuses: only who has a key may publish in this room\n");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a-key-that-nobody-guesses\n").unwrap();
    let mut anna = server.join("news").await;
    let mut pipe = worldcast("pipe", server.address(), &["--key-file", file.path().to_str().unwrap()]);
    pipe.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    assert_eq!(end_of(pipe).await.0, Some(0));
    assert_eq!(anna.hears().await, "hello");
}

#[actix_web::test]
async fn a_server_that_cannot_be_reached_is_exit_code_3() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = end_of(worldcast("listen", nowhere, &["--patience", "0s"])).await;
    assert_eq!(code, Some(3));
    assert!(said.starts_with(&format!("worldcast: cannot reach ws://{nowhere}: ")), "{said}");
}

#[actix_web::test]
async fn a_pipe_into_a_room_that_takes_less_reads_less() {
    let server = TestServer::with(|settings| settings.session.messages_per_second = 50).await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    let mut input = pipe.stdin.take().unwrap();
    let line = "x".repeat(1000) + "\n";
    let poured = async { while input.write_all(line.as_bytes()).await.is_ok() {} };
    assert!(tokio::time::timeout(Duration::from_secs(1), poured).await.is_err(), "it waits");
    drop(input);
    let mut rest = String::new();
    pipe.kill().await.unwrap();
    pipe.stderr.take().unwrap().read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}
