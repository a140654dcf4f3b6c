//! A process without free descriptors pauses accepting, logs it once, answers operators and present
//! clients, and continues when descriptors are free.

use crate::{
    process::{Launch, Server, handshake},
    support::{Client, eventually, get, head, reaches, within},
};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection with a handshake, accepted or not.
async fn connects(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("the kernel takes it");
    socket.write_all(handshake("/", "").as_bytes()).await.expect("the kernel takes it");
    socket
}

/// Descriptors of the process, of which clients get 32: the rest is for operators, files and
/// threads.
const DESCRIPTORS: u32 = 128;
const PLACES: usize = 32;

fn start(directory: &str) -> Server {
    let settings = [("workers", "1"), ("page.directory", directory)];
    Launch::with(&settings).descriptors(DESCRIPTORS).start()
}

/// So many clients whose handshake is answered.
async fn connect_many(server: &Server, number: usize) -> Vec<TcpStream> {
    let mut inside = Vec::new();
    for _ in 0..number {
        let mut socket = connects(server).await;
        within("a client to be admitted", head(&mut socket)).await;
        inside.push(socket);
    }
    inside
}

#[tokio::test]
async fn too_few_descriptors_are_a_warning_only_for_a_configured_limit() {
    let line_about_limits = |server: &Server| {
        let text = server.log.text();
        let line = text.lines().find(|line| line.contains("limits.connections")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let usual = Launch::with(&[("workers", "1")]).descriptors(DESCRIPTORS).start();
    assert!(line_about_limits(&usual).contains(" INFO "), "{}", line_about_limits(&usual));
    assert_eq!(usual.log.count(" WARN "), 0, "{}", usual.log.text());
    assert!(usual.log.text().lines().next().is_some_and(|first| first.contains("] settings: ")));

    let chosen = Launch::with(&[("limits.connections", "5000")]).descriptors(DESCRIPTORS).start();
    assert!(line_about_limits(&chosen).contains(" WARN "), "{}", line_about_limits(&chosen));
    let enough = Launch::with(&[("limits.connections", "10")]).descriptors(DESCRIPTORS).start();
    assert_eq!(enough.log.count("limits.connections"), 0, "{}", enough.log.text());
}

#[tokio::test]
async fn accepting_pauses_without_descriptors_and_continues_when_clients_leave() {
    let server = start("static");
    let lines = || server.log.count("Too many open files");
    let remedy = "raise their hard limit";
    let mut inside = Client::joins(&server, "/").await;
    let mut admitted = connect_many(&server, PLACES - 1).await;
    assert_eq!(lines(), 0, "nobody waits");
    let mut waits = connects(&server).await;
    eventually("the log to say why nobody is accepted", || lines() > 0).await;

    assert_eq!(server.log.count(remedy), lines());
    inside.receives_its_echo("those who are here notice nothing").await;
    for _ in 0..4 {
        admitted.pop();
        within("the waiting client to be admitted", head(&mut waits)).await;
        admitted.push(waits); // takes the last descriptor, so the next client waits too
        waits = connects(&server).await;
        let errors = server.metrics().await.value("accept_errors_total");
        let more = async { while server.metrics().await.value("accept_errors_total") == errors {} };
        within("another client to wait", more).await;
    }
    assert_eq!(lines(), 1, "a line a minute:\n{}", server.log.text());
    drop((admitted, waits));
    within("a client to be accepted again", Client::joins(&server, "/")).await;
}

#[tokio::test]
async fn an_idle_connection_gives_its_descriptor_to_a_new_client() {
    let server = start("static");
    let mut idle = Vec::new();
    for _ in 0..PLACES {
        let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
        socket
            .write_all(b"HEAD /rooms/news HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .expect("a connection");
        assert_eq!(&within("an answer", head(&mut socket)).await[9..12], "200");
        idle.push(socket);
    }
    let began = Instant::now();
    Client::joins(&server, "/").await;
    assert!(began.elapsed() < Duration::from_secs(5), "they would wait for 10 s: {:?}", began.elapsed());
}

#[tokio::test]
async fn operators_and_files_are_served_while_clients_hold_all_their_descriptors() {
    let page = tempfile::tempdir().expect("a directory");
    fs::write(page.path().join("index.html"), "the page of this directory").expect("a file");
    let server = start(page.path().to_str().expect("text"));
    let mut last = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    get(server.listeners[0], "/rooms/news").await; // by now the one before is accepted
    let _inside = connect_many(&server, PLACES - 1).await;
    let _waits = connects(&server).await;
    eventually("the log to say why nobody is accepted", || server.log.count("Too many open files") > 0).await;

    last.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("a connection");
    let mut answer = String::new();
    within("the page", last.read_to_string(&mut answer)).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("the page of this directory"),
        "{answer}"
    );
    for path in ["/health", "/ready", "/metrics"] {
        assert!(get(server.admin, path).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
}

#[tokio::test]
async fn files_whose_clients_do_not_read_leave_operators_their_descriptors() {
    const LARGE: u64 = 256 << 20;
    let page = tempfile::tempdir().expect("a directory");
    fs::File::create(page.path().join("large")).and_then(|file| file.set_len(LARGE)).expect("a file");
    let server = start(page.path().to_str().expect("text"));
    let mut readers = Vec::new();
    for _ in 0..PLACES * 2 {
        let mut socket = TcpStream::connect(server.listeners[0]).await.expect("the kernel takes it");
        socket
            .write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .expect("the kernel takes it");
        readers.push(socket); // which reads nothing
    }
    eventually("the log to say why nobody is accepted", || server.log.count("Too many open files") > 0).await;
    for _ in 0..10 {
        assert!(get(server.admin, "/health").await.starts_with("HTTP/1.1 200 "));
    }
    let spare = server.free_descriptors(DESCRIPTORS);
    assert!(spare > 16, "{spare} descriptors are left: {:#?}", server.descriptors());
    drop(readers);
    reaches(&server, "sessions", 0).await;
    within("a client to be accepted again", Client::joins(&server, "/")).await;
}
