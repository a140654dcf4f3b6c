//! The program as a client: lines into a room, and out of it.

use crate::support::{Fake, Host, QuietProxy, TestServer, proxy_that_cuts, within};
use actix_web::rt::spawn;
use serde_json::{Value, json};
use std::{
    fs::OpenOptions,
    io::Read,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use testing::{Launch, terminal};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

pub fn worldcast(command: &str, server: SocketAddr, arguments: &[&str]) -> Child {
    let address = format!("ws://{server}");
    runs(&[&[command, "--room", "news", "--server", &address], arguments].concat(), Stdio::piped())
}

/// The program with these arguments, and its standard output going into `output`.
pub fn runs(arguments: &[&str], output: impl Into<Stdio>) -> Child {
    runs_with(arguments, &[], output)
}

/// The same with these variables of the environment.
pub fn runs_with(arguments: &[&str], variables: &[(&str, &Path)], output: impl Into<Stdio>) -> Child {
    let launch = Launch::new().arguments(arguments).variables(variables.iter().copied());
    let mut command = Command::from(launch.command());
    command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("the program starts")
}

/// The exit code and the standard error.
pub async fn end_of(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let output = within("the end of the program", child.wait_with_output()).await.expect("a child of ours");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[actix_web::test]
async fn every_line_is_published_and_then_the_pipe_ends() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    let lines: Vec<_> = (0..1000).map(|number| format!("line {number}")).collect();
    let input = pipe.stdin.as_mut().unwrap();
    input.write_all((lines.join("\n") + "\n\n").as_bytes()).await.unwrap();
    input.write_all(b"\xff\nwithout an end").await.unwrap();
    assert_eq!(end_of(pipe).await, (Some(0), String::new()));
    assert_eq!(anna.receives_many(1000).await, lines);
    assert_eq!(anna.receives().await, "");
    assert_eq!(anna.receives_binary().await, b"\xff"[..]);
    assert_eq!(anna.receives().await, "without an end");
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
    let publishing = spawn(async move { input.write_all(text.as_bytes()).await.unwrap() });
    assert_eq!(anna.receives_many(2000).await, lines);
    publishing.await.unwrap();
    assert_eq!(end_of(pipe).await.0, Some(0));
    anna.publishes("the next").await;
    assert_eq!(anna.receives().await, "the next"); // a double would have come first
}

#[actix_web::test]
async fn listen_prints_messages_until_its_reader_is_gone() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.publishes("before").await;
    anna.receives().await;
    let mut listen = worldcast("listen", server.address(), &["--last", "1"]);
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines();
    let mut line = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    assert_eq!(line().await, "before");
    anna.publishes("live").await;
    assert_eq!(line().await, "live");
    anna.publishes_binary(&b"bytes"[..]).await;
    assert_eq!(line().await, "bytes");
    drop(lines);
    let publishing = spawn(async move {
        loop {
            anna.publishes("to nobody").await;
            anna.receives_message().await;
        }
    });
    assert_eq!(end_of(listen).await.0, Some(0));
    publishing.abort();
}

#[actix_web::test]
async fn a_listen_whose_connection_is_cut_misses_and_doubles_nothing() {
    // However long it is away: on a busy machine, longer than for a usual history.
    let server = TestServer::with(|settings| settings.history.messages = 100_000).await;
    let mut anna = server.join("news").await;
    let proxy = proxy_that_cuts(server.address(), Duration::from_millis(5)..Duration::from_millis(30)).await;
    let mut listen = worldcast("listen", proxy, &[]);
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines();
    let mut next = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    // Its promise begins with its first welcome, which a cut may delay.
    let begins = async {
        loop {
            anna.publishes("begin").await;
            anna.receives().await;
        }
    };
    tokio::select! {
        line = next() => assert_eq!(line, "begin"),
        () = begins => unreachable!("it never ends"),
    }
    for number in 0..500 {
        anna.publishes(number.to_string()).await;
        anna.receives_message().await; // "begin" once more, if the last was not received before
    }
    let mut line = next().await;
    while line == "begin" {
        line = next().await;
    }
    for number in 0..500 {
        assert_eq!(line, number.to_string());
        if number < 499 {
            line = next().await;
        }
    }
}

#[actix_web::test]
async fn a_pipe_without_a_required_key_ends_with_1() {
    let server = TestServer::with(|settings| {
        settings.publish.anyone = false;
        settings.publish.keys = vec!["a-key-that-nobody-guesses".into()];
    })
    .await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    pipe.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    let (code, stderr) = end_of(pipe).await;
    assert_eq!(code, Some(1));
    assert_eq!(stderr, "worldcast: the server refuses: publishing in this room requires a key\n");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a-key-that-nobody-guesses\n").unwrap();
    let mut anna = server.join("news").await;
    let mut pipe = worldcast("pipe", server.address(), &["--key-file", file.path().to_str().unwrap()]);
    pipe.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    assert_eq!(end_of(pipe).await.0, Some(0));
    assert_eq!(anna.receives().await, "hello");
}

#[actix_web::test]
async fn a_server_that_cannot_be_reached_is_exit_code_3() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, stderr) = end_of(worldcast("listen", nowhere, &["--patience", "0s"])).await;
    assert_eq!(code, Some(3));
    assert!(stderr.starts_with(&format!("worldcast: cannot reach ws://{nowhere}: ")), "{stderr}");
}

#[actix_web::test]
async fn a_pipe_reads_no_faster_than_its_room_accepts() {
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

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The next line of standard error.
async fn stderr_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut error = BufReader::new(child.stderr.as_mut().unwrap());
    within("a word", error.read_line(&mut line)).await.unwrap();
    line
}

#[actix_web::test]
async fn attempts_are_reported_at_once_and_end_after_patience() {
    let (silent, mute) = (Fake::that_never_answers().await, Fake::that_is_mute().await);
    let servers = [
        (nowhere(), "Connection refused"),
        (silent.address, "no answer yet"),
        (mute.address, "no answer yet"),
    ];
    let patient = |server: SocketAddr, error: &'static str, command: &'static str| async move {
        let begun = Instant::now();
        let mut child = worldcast(command, server, &["--patience", "4s"]);
        let stderr = stderr_line(&mut child).await;
        assert!(stderr.starts_with(&format!("worldcast: cannot reach ws://{server}: {error}")), "{stderr}");
        assert!(stderr.contains("; trying for "), "{stderr}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{stderr}");

        let (code, stderr) = end_of(child).await;
        let took = begun.elapsed();
        assert_eq!(code, Some(3));
        assert!(stderr.starts_with(&format!("worldcast: cannot reach ws://{server}: ")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!((4.0..8.0).contains(&took.as_secs_f64()), "{took:?} of 4 s");
    };
    let all = servers
        .into_iter()
        .flat_map(|(server, error)| ["listen", "pipe"].map(|command| patient(server, error, command)));
    futures_util::future::join_all(all).await;
}

#[actix_web::test]
async fn a_client_that_is_closed_right_after_the_handshake_reconnects_more_and_more_slowly() {
    for code in [1001, 1011, 1012, 1013, 1000, 4000] {
        let full = Fake::that_closes_with(code).await;
        let children =
            ["listen", "pipe"].map(|command| worldcast(command, full.address, &["--patience", "2s"]));
        for child in children {
            let (exit, stderr) = end_of(child).await;
            assert_eq!(exit, Some(3), "{code}");
            let reason = format!("closed with {code} not\\u{{1b}}[2J today"); // escaped
            assert!(
                stderr.lines().count() == 2 && stderr.contains(&reason) && !stderr.contains('\u{1b}'),
                "{stderr}"
            );
        }
        assert!((6..=20).contains(&full.accepted()), "{code}: {} connections in 2 s", full.accepted());
    }
}

#[actix_web::test]
async fn a_refusal_that_would_be_repeated_is_reported_once() {
    let strict = Fake::that_closes_with(1008).await;
    let (code, stderr) = end_of(worldcast("listen", strict.address, &[])).await;
    assert_eq!((code, stderr.as_str()), (Some(1), "worldcast: the server refuses: not\\u{1b}[2J today\n"));
    assert_eq!(strict.accepted(), 1);
}

#[actix_web::test]
async fn a_path_that_falls_silent_is_noticed_and_nothing_is_missed() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let proxy = QuietProxy::start(server.address()).await;
    let mut listen = worldcast("listen", proxy.address, &["--silence", "1s"]);
    server.has_clients("news", 2).await;
    let mut pipe = worldcast("pipe", proxy.address, &["--silence", "1s"]);
    let mut input = pipe.stdin.take().unwrap();
    input.write_all(b"one\n").await.unwrap();
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines();
    let mut line = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    assert_eq!((line().await.as_str(), anna.receives().await.as_str()), ("one", "one"));

    proxy.falls_silent();
    input.write_all(b"two\n").await.unwrap();
    assert_eq!((line().await.as_str(), anna.receives().await.as_str()), ("two", "two"));
    drop(input);
    assert_eq!(end_of(pipe).await.0, Some(0));
    anna.publishes("three").await;
    assert_eq!((line().await.as_str(), anna.receives().await.as_str()), ("three", "three"));
}

#[actix_web::test]
async fn an_endless_line_is_refused_after_all_earlier_lines() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut pipe = worldcast("pipe", server.address(), &[]);
    let mut input = pipe.stdin.take().unwrap();
    let pour = spawn(async move {
        input.write_all(b"one\ntwo\n").await.unwrap();
        while input.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let (code, stderr) = end_of(pipe).await;
    let line =
        "worldcast: line 3 is longer than 1MiB, and was not published; --max-line allows longer ones\n";
    assert_eq!((code, stderr.as_str()), (Some(1), line));
    assert_eq!(anna.receives_many(2).await, ["one", "two"]);
    within("the end of the pipe", pour).await.unwrap();

    let mut pipe = worldcast("pipe", server.address(), &["--max-line", "3B"]);
    pipe.stdin.as_mut().unwrap().write_all(b"abc\nabcd\nefg\n").await.unwrap();
    assert_eq!(end_of(pipe).await.0, Some(1));
    anna.publishes("the next").await;
    assert_eq!(anna.receives_many(2).await, ["abc", "the next"]);
}

#[actix_web::test]
async fn output_that_cannot_be_written_is_a_failure() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.publishes("hello").await;
    anna.receives().await;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let address = format!("ws://{}", server.address());
    let (code, stderr) = end_of(runs(&["listen", "news", "--last", "1", "--server", &address], full)).await;
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("worldcast: cannot write to standard output: "), "{stderr}");
}

#[actix_web::test]
async fn a_listen_ends_with_its_reader_even_without_messages() {
    let server = TestServer::start().await;
    let in_a_room = worldcast("listen", server.address(), &[]);
    server.has_clients("news", 1).await;
    let mut without_a_server = worldcast("listen", nowhere(), &[]);
    stderr_line(&mut without_a_server).await;
    for mut listen in [in_a_room, without_a_server] {
        drop(listen.stdout.take());
        assert_eq!(end_of(listen).await, (Some(0), String::new()));
    }
}

#[actix_web::test]
async fn every_address_that_leads_to_the_server_will_do() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let at = server.address();
    for (number, arguments) in [
        vec!["news".to_owned(), format!("--server=http://{at}/")],
        vec!["news".to_owned(), format!("--server=ws://{at}/websocket")],
        vec!["--room=news".to_owned(), format!("--server=WS://{at}")],
        vec!["--room".to_owned(), "news".to_owned(), format!("--server=HTTP://{at}/websocket/")],
        vec![format!("--server=ws://{at}/websocket/news")],
        vec![format!("--server=http://{at}/#news"), "news".to_owned()],
        vec!["news".to_owned(), format!("--server={at}")],
        vec!["news".to_owned(), format!("--server=localhost:{}", at.port())],
    ]
    .iter()
    .enumerate()
    {
        let arguments: Vec<_> = ["pipe"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let mut pipe = runs(&arguments, Stdio::piped());
        pipe.stdin.as_mut().unwrap().write_all(number.to_string().as_bytes()).await.unwrap();
        assert_eq!(end_of(pipe).await, (Some(0), String::new()), "{arguments:?}");
        assert_eq!(anna.receives().await, number.to_string());
    }
}

#[actix_web::test]
async fn mistakes_of_the_command_line_are_exit_code_2_and_nothing_is_tried() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (arguments, expected) in [
        (&[][..], "no room is named"),
        (&["news", "--room", "sport"], "cannot be used with"),
        (&["a b"], "letters, digits"),
        (
            &["news", "--server", "ws://127.0.0.1:99999"],
            "port 99999 is out of range: ports go from 1 to 65535",
        ),
        (&["news", "--server", "ftp://127.0.0.1"], "begins with ws://, wss://, http:// or https://"),
        (&["news", "--server", "ws://127.0.0.1/websocket/sport"], "names the room sport"),
        (&["news", "--server", ""], "no host"),
        (&["news", "--patience", "soon"], "--patience"),
        (&["news", "--silence", "0s"], "--silence"),
        (&["news", "--key-file", "/no/such/file"], "--key-file /no/such/file: "),
        (&["news", "--key-file", empty], "one line of visible ASCII characters"),
        (&["news", "--lats", "3"], "--lats"),
    ] {
        for command in ["listen", "pipe"] {
            let (code, stderr) = end_of(runs(&[&[command], arguments].concat(), Stdio::piped())).await;
            assert!(
                code == Some(2) && stderr.contains(expected),
                "{command} {arguments:?}: {code:?}, {stderr}"
            );
        }
    }
}

#[actix_web::test]
async fn messages_of_others_are_shown_on_a_terminal_and_not_obeyed() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let (mut screen, terminal) = terminal();
    let address = format!("ws://{}", server.address());
    let mut listen = runs(&["listen", "news", "--server", &address], terminal);
    server.has_clients("news", 2).await;
    anna.publishes("\u{1b}]0;title\u{7}\u{9b}2J over\rwritten \u{202e}grüße").await;
    anna.publishes_binary(&b"\x1b[2J\xff"[..]).await;
    anna.publishes("the end").await;
    let read = actix_web::rt::task::spawn_blocking(move || {
        let (mut seen, mut part) = (Vec::new(), [0; 1024]);
        while !String::from_utf8_lossy(&seen).contains("the end") {
            let read = screen.read(&mut part).unwrap();
            seen.extend_from_slice(&part[..read]);
        }
        String::from_utf8(seen).unwrap()
    });
    let seen = within("the screen", read).await.unwrap();
    let lines = [r"\u{1b}]0;title\u{7}\u{9b}2J over\rwritten \u{202e}grüße", "\\u{1b}[2J\u{fffd}", "the end"];
    assert_eq!(seen.trim_end().split("\r\n").collect::<Vec<_>>(), lines);
    listen.kill().await.unwrap();
}

/// The frames of a server that publishes each line, except those that it does not confirm.
fn answer_of_a_failing_backplane(request: &str, offset: &AtomicU64) -> Vec<String> {
    let Ok(request) = serde_json::from_str::<Value>(request) else {
        let offset = offset.load(Relaxed);
        return vec![welcome(offset)];
    };
    let message = |text: &Value| {
        let offset = offset.fetch_add(1, Relaxed) + 1;
        json!({"type": "message", "offset": offset, "who": "me", "text": text}).to_string()
    };
    let error =
        json!({"type": "error", "ref": request["ref"], "code": "backplane", "message": "not confirmed"});
    match request["text"].as_str() {
        None => vec![json!({"type": "presence", "clients": 1}).to_string()],
        Some("unconfirmed") => vec![error.to_string()],
        Some("unconfirmed and then published") => vec![error.to_string(), message(&request["text"])],
        Some("last") => vec![message(&request["text"]), "close".to_owned()],
        Some(_) => vec![message(&request["text"])],
    }
}

fn welcome(offset: u64) -> String {
    json!({"type": "welcome", "session": "s", "who": "me", "epoch": "a", "offset": offset}).to_string()
}

/// A pipe of this input into such a server: its end, and the texts that the server received.
async fn pipes_into_a_failing_backplane(input: &str) -> ((Option<i32>, String), Vec<String>) {
    let (received, offset) = (Arc::new(Mutex::new(Vec::new())), AtomicU64::new(0));
    let record = received.clone();
    let fake = Fake::that_answers(move |request| {
        if let Ok(Value::String(text)) =
            serde_json::from_str(request).map(|mut request: Value| request["text"].take())
        {
            record.lock().unwrap().push(text);
        }
        answer_of_a_failing_backplane(request, &offset)
    });
    let mut pipe = worldcast("pipe", fake.await.address, &[]);
    pipe.stdin.as_mut().unwrap().write_all(input.as_bytes()).await.unwrap();
    let end = end_of(pipe).await;
    let received = received.lock().unwrap().clone();
    (end, received)
}

#[actix_web::test]
async fn a_line_that_the_server_cannot_confirm_is_named_and_not_published_again() {
    let input = "one\nunconfirmed\nthree\nlast\nfive\nunconfirmed\n";
    let ((code, stderr), received) = pipes_into_a_failing_backplane(input).await;
    let expected = "worldcast: line 2 was not confirmed; it may be published or not\n\
                    worldcast: line 6 was not confirmed; it may be published or not\n\
                    worldcast: lines that the server did not confirm: 2; each of them may be published or not\n";
    assert_eq!((code, stderr.as_str()), (Some(1), expected));
    let once: Vec<_> = received.iter().filter(|line| *line == "unconfirmed").collect();
    assert_eq!(once.len(), 2, "{received:?}");
}

#[actix_web::test]
async fn a_line_that_is_published_after_all_counts_as_confirmed() {
    let input = "one\nunconfirmed and then published\nthree\n";
    let ((code, stderr), received) = pipes_into_a_failing_backplane(input).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr, "worldcast: line 2 was not confirmed; it may be published or not\n");
    assert_eq!(received.join("\n") + "\n", input);
}

#[actix_web::test]
async fn lost_messages_are_reported_and_the_next_ones_follow_in_the_new_epoch() {
    let message = |offset, text| json!({"type": "message", "offset": offset, "text": text}).to_string();
    let epoch = |epoch, kept| json!({"type": "epoch", "epoch": epoch, "kept": kept}).to_string();
    let fake = Fake::that_answers(move |request| match request {
        address if address.contains("since=c-2") => vec![welcome(2), message(3, "the next")],
        address if address.starts_with('/') => {
            let lost = [welcome(0), message(1, "one"), message(2, "two"), message(3, "three"), epoch("b", 1)];
            let kept = [message(2, "another"), epoch("c", 2), "close".to_owned()];
            lost.into_iter().chain(kept).collect()
        }
        _ => vec![],
    });
    let mut listen = worldcast("listen", fake.await.address, &[]);
    let said = stderr_line(&mut listen).await;
    assert_eq!(said, "worldcast: messages that the server has lost: 2\n");
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines();
    for expected in ["one", "two", "three", "another", "the next"] {
        assert_eq!(within("a line", lines.next_line()).await.unwrap().as_deref(), Some(expected));
    }
}
