//! The program as an operator sees it: what it logs, and how it reacts to signals.

use crate::support::{Binary, End, Host, TestServer, frame, output_of, text};
use rustix::process::Signal;
use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, process::Command};

const CONNECTION_LINE: &str = "server: receive connection.";

#[actix_web::test]
async fn one_line_names_the_version_and_the_addresses() {
    let mut program = Binary::spawn(&[("WORLDCAST_LISTEN", "127.0.0.1:0,127.0.0.1:0")]);
    let lines = program.logs_until_it_listens().await;
    let (_, line) = lines.last().unwrap().split_once(" INFO  worldcast] ").unwrap();
    let (page, websocket) = line.split_once(" · ").unwrap();
    let page = page.strip_prefix("page at http://").and_then(|rest| rest.strip_suffix("/"));
    let websocket =
        websocket.strip_prefix("WebSocket at ws://").and_then(|rest| rest.strip_suffix("/websocket"));
    let [page, websocket] = [page, websocket].map(|address| address.unwrap().parse::<SocketAddr>().unwrap());
    assert_ne!(page, websocket);
    for address in [page, websocket] {
        TcpStream::connect(address).await.unwrap();
    }
}

#[actix_web::test]
async fn the_log_names_the_file_and_the_page_and_ignores_files_of_another_project() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("static/index.html", "another page");
    write("config/default.toml", "this is no configuration of ours");
    let logs = async |arguments: &[&str], settings: &str, page: &str| {
        let mut program = Binary::spawn_in(home.path(), arguments, &[]);
        let lines = program.logs_until_it_listens().await;
        for line in [settings, page] {
            assert!(lines.iter().any(|written| written.ends_with(line)), "{line} in {lines:#?}");
        }
        let address = listens_at(&lines);
        output_of("curl", &["-s", &format!("http://{address}/")]).await
    };
    let variables = "WORLDCAST_ADMIN__LISTEN, WORLDCAST_LISTEN, WORLDCAST_SHUTDOWN__DRAIN, WORLDCAST_WORKERS";
    let none = format!("] settings: no configuration file; defaults, {variables}");
    let built_in = "] page: the page in the program";
    let page = logs(&[], &none, built_in).await;
    assert!(page.is_none_or(|page| page.contains("<!doctype html>")), "not the page of another project");

    write("worldcast.toml", "[page]\ndirectory = \"static\"");
    let path = home.path().canonicalize().unwrap().join("static");
    let file = format!("] settings: worldcast.toml, {variables}");
    let page = logs(&[], &file, &format!("] page: the files of {}", path.display())).await;
    assert!(page.is_none_or(|page| page == "another page"));

    write("other.toml", "");
    let variables = variables.replace("WORLDCAST_LISTEN, ", "");
    let file = format!("] settings: other.toml, {variables}, --listen");
    logs(&["--config", "other.toml", "--listen", "127.0.0.1:0"], &file, built_in).await;
}

#[actix_web::test]
async fn origins_that_any_page_can_have_are_a_warning() {
    for (allowed, warning) in [
        ("null", "WARN  worldcast] origins.allowed has \"null\": any page of the web can have this origin"),
        ("*", "WARN  worldcast] origins.allowed has \"*\": every page of the web may connect"),
    ] {
        let mut program = Binary::spawn(&[("WORLDCAST_ORIGINS__ALLOWED", allowed)]);
        let lines = program.logs_until_it_listens().await;
        assert!(lines.iter().any(|line| line.contains(warning)), "{allowed}: {lines:#?}");
    }
    let mut program = Binary::spawn(&[("WORLDCAST_ORIGINS__ALLOWED", "https://chat.example")]);
    let lines = program.logs_until_it_listens().await;
    assert!(!lines.iter().any(|line| line.contains("origins.allowed has")), "{lines:#?}");
}

#[actix_web::test]
async fn a_wildcard_is_no_address_to_click() {
    let [v4, v6] = [("0.0.0.0:0", "0.0.0.0:0"), ("[::]:0", "[::]:0")];
    let has_v6 = TcpListener::bind("[::]:0").is_ok();
    for (listen, admin) in [v4, v6].into_iter().take(if has_v6 { 2 } else { 1 }) {
        let mut program = Binary::spawn(&[("WORLDCAST_LISTEN", listen), ("WORLDCAST_ADMIN__LISTEN", admin)]);
        let lines = program.logs_until_it_listens().await;
        let text = lines.join("\n");
        let wildcards = ["://0.0.0.0", "://[::]"];
        assert!(!wildcards.iter().any(|wildcard| text.contains(wildcard)), "{text}");
        assert!(text.contains("admin at http://127.0.0.1:"), "{text}");
        let address = listens_at(&lines);
        assert!(
            lines
                .last()
                .unwrap()
                .ends_with(&format!("] page at http://{address}/ · WebSocket at ws://{address}/websocket"))
        );
        assert_eq!(address.ip().to_string(), "127.0.0.1");
        TcpStream::connect(address).await.unwrap();
        for line in
            lines.iter().filter_map(|line| line.split_once("other machines of the network reach http://"))
        {
            TcpStream::connect(line.1.trim_end_matches('/')).await.unwrap();
        }
    }
}

/// The address in the line `page at http://127.0.0.1:3000/ · …`, the last.
fn listens_at(lines: &[String]) -> SocketAddr {
    let line = lines.last().unwrap();
    let (_, rest) = line.split_once("page at http://").expect(line);
    rest.split('/').next().and_then(|address| address.parse().ok()).expect(line)
}

#[actix_web::test]
async fn a_missing_directory_of_the_page_is_reported_in_one_line() {
    let mut program = Binary::spawn(&[("WORLDCAST_PAGE__DIRECTORY", "/no/such/directory")]);
    let lines = program.logs_until_it_listens().await;
    let values: Vec<_> = lines.iter().filter_map(|line| line.split_once("] page.directory ")).collect();
    let [(_, value)] = values[..] else { panic!("{lines:#?}") };
    assert_eq!(
        value,
        "\"/no/such/directory\" is no directory, so the page inside the program is served; create it and start again"
    );
}

#[actix_web::test]
async fn the_log_has_connections_and_messages() {
    let mut program = Binary::start(&[]);
    let mut anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    anna.publishes("from client: hello").await;
    assert_eq!(program.logs().await, "server: received: from client: hello");
    anna.publishes_binary(vec![0, 10, 255]).await;
    assert_eq!(program.logs().await, "server: received: 3 bytes (binary)");
    anna.publishes("").await;
    assert_eq!(program.logs().await, "server: received: ");
    program.join("sport").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);
}

#[actix_web::test]
async fn rust_log_has_the_last_word_on_levels() {
    let mut program = Binary::spawn(&[("WORLDCAST_LOG__LEVEL", "info"), ("RUST_LOG", "worldcast=debug")]);
    let lines = program.logs_until_it_listens().await;
    assert!(lines.iter().any(|line| line.contains(" DEBUG worldcast] ")), "{lines:?}");

    for directives in ["worldcast=info", "info", "actix_http=off,info"] {
        let mut program = Binary::start(&[("WORLDCAST_LOG__LEVEL", "off"), ("RUST_LOG", directives)]);
        program.join("news").await;
        while !program.writes().await.contains(CONNECTION_LINE) {} // among the lines of libraries
    }
}

#[actix_web::test]
async fn no_message_of_a_client_forges_a_line() {
    let mut program = Binary::start(&[]);
    let mut anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    anna.publishes("a\n[2030-01-01T00:00:00Z INFO  worldcast] server: receive connection.\r\u{1b}[2J").await;
    assert_eq!(
        program.logs().await,
        r"server: received: a\n[2030-01-01T00:00:00Z INFO  worldcast] server: receive connection.\r\u{1b}[2J"
    );
}

#[actix_web::test]
async fn a_long_message_is_cut_in_the_log_and_nowhere_else() {
    let mut program = Binary::start(&[]);
    let mut anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    anna.publishes("x".repeat(60_000)).await;
    let cut = format!("server: received: {}… (60000 bytes)", "x".repeat(512));
    assert_eq!(program.logs().await, cut);
    assert_eq!(anna.receives().await.len(), 60_000);
}

#[actix_web::test]
async fn messages_are_not_logged_where_the_operator_does_not_want_it() {
    let mut program = Binary::start(&[("WORLDCAST_LOG__MESSAGES", "false")]);
    let mut anna = program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    anna.publishes("a secret").await;
    assert_eq!(anna.receives().await, "a secret");
    program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE); // "a secret" would have come first
}

/// `session 7 from ADDRESS in news ended after 1.5s: …`, of which this is the rest.
fn end_of_session(line: &str) -> &str {
    let (session, end) = line.split_once(" ended after ").expect(line);
    let (id, address) =
        session.strip_prefix("session ").and_then(|id| id.split_once(" from 127.0.0.1:")).expect(line);
    assert!(id.parse::<u64>().is_ok(), "{line}");
    assert!(address.strip_suffix(" in news").expect(line).parse::<u16>().is_ok(), "{line}");
    end.split_once("s: ").expect(line).1
}

#[actix_web::test]
async fn a_session_that_ends_with_a_fault_leaves_one_line_with_all_that_is_known() {
    let mut program = Binary::start(&[("WORLDCAST_LOG__MESSAGES", "false")]);
    let mut anna = program.join_raw("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE);

    anna.sends([text("hello"), text("world!"), frame(0x83, b"")].concat()).await;
    anna.reads_to_the_end().await;
    drop(anna);
    assert_eq!(
        end_of_session(&program.logs().await),
        "1002 (opcode 3 is reserved); received 2 messages, 11 bytes; sent 3 messages, 22 bytes"
    );
    program.join("news").await;
    assert_eq!(program.logs().await, CONNECTION_LINE); // one line, and no more
}

#[actix_web::test]
async fn a_session_that_ends_well_leaves_one_line_too() {
    let mut program = Binary::start(&[]);
    program.join("news").await.closes(4000).await;
    assert_eq!(program.logs().await, CONNECTION_LINE);
    let traffic = "received 0 messages, 0 bytes; sent 1 messages, 7 bytes";
    assert_eq!(end_of_session(&program.logs().await), format!("4000 (closed by the client); {traffic}"));
    drop(program.join_raw("news").await);
    assert_eq!(program.logs().await, CONNECTION_LINE);
    assert_eq!(end_of_session(&program.logs().await), format!("- (connection lost); {traffic}"));
}

#[actix_web::test]
async fn no_signal_ends_the_program_while_it_reads_its_configuration() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a pipe.toml");
    assert!(Command::new("mkfifo").arg(&path).status().await.unwrap().success());
    let mut program = Binary::spawn_in(home.path(), &["--config", "a pipe.toml"], &[]);
    let open = move || std::fs::OpenOptions::new().write(true).open(path); // returns when the program reads it
    let configuration = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        program.signal(signal);
    }
    drop(configuration);
    program.logs_until_it_listens().await;

    program.signal(Signal::TERM);
    assert_eq!(program.ends().await.1, Some(0));
}

#[actix_web::test]
async fn either_signal_closes_every_session_and_ends_with_0() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let mut program = Binary::start(&[]);
        let mut clients = program.join_many("news", 3).await;

        program.signal(signal);
        for client in &mut clients {
            assert_eq!(client.ended_with().await, End::Code(1012));
        }
        drop(clients);
        let (log, code) = program.ends().await;
        assert_eq!(code, Some(0), "{name}: {log:#?}");
        assert!(log.iter().any(|line| line.contains(name)), "{log:#?}");
        assert!(log.last().unwrap().ends_with("stopped"), "{log:#?}");
    }
}

#[actix_web::test]
async fn messages_accepted_before_a_signal_are_delivered() {
    let program = Binary::start(&[]);
    let mut subscriber = program.join("news").await;
    let mut publisher = program.join("news").await;
    for _ in 0..500 {
        publisher.publishes("hello").await;
    }
    publisher.waits_until_all_is_accepted().await;

    program.signal(Signal::TERM);
    assert!(subscriber.receives_many(500).await.iter().all(|received| received == "hello"));
    assert_eq!(subscriber.ended_with().await, End::Code(1012));
}

#[actix_web::test]
async fn a_client_that_does_not_answer_delays_the_end_no_longer_than_close_within() {
    let close_within = Duration::from_millis(1100);
    let mut program = Binary::start(&[("WORLDCAST_SESSION__CLOSE_WITHIN", "1100ms")]);
    let _mute = program.join_raw("news").await;

    let began = Instant::now();
    program.signal(Signal::TERM);
    assert_eq!(program.ends().await.1, Some(0));
    assert!(began.elapsed() < close_within + Duration::from_millis(800), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn a_second_signal_ends_at_once_with_130() {
    for second in [Signal::TERM, Signal::INT] {
        let mut program = Binary::start(&[("WORLDCAST_SHUTDOWN__DRAIN", "1h")]);
        let mut clients = program.join_many("news", 3).await;

        program.signal(Signal::TERM);
        while !program.logs().await.starts_with("SIGTERM: ") {}
        program.signal(second);

        let (log, code) = program.ends().await;
        assert_eq!(code, Some(130), "{log:#?}");
        for client in &mut clients {
            assert_eq!(client.ended_with().await, End::Lost);
        }
    }
}

#[actix_web::test]
async fn an_address_in_use_is_reported_and_ends_with_1() {
    let first = Binary::start(&[]);
    let address = first.address().to_string();
    let mut second = Binary::spawn(&[("WORLDCAST_LISTEN", &address)]);

    let (log, code) = second.ends().await;
    assert_eq!(code, Some(1), "{log:#?}");
    let beginning = format!(
        "worldcast: cannot listen on {address}: address in use; \
         stop the program that listens there, or choose another address with `listen`: `"
    );
    assert!(log.last().is_some_and(|line| line.starts_with(&beginning)), "{log:#?}");
}

#[actix_web::test]
async fn the_message_about_a_taken_port_has_a_line_that_starts_the_program() {
    let taken: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let [page, websocket, admin] = [0, 1, 2].map(|at: usize| taken[at].local_addr().unwrap().to_string());
    let cases: [(&[&str], &str); 4] = [
        (&["--listen", &page], "127.0.0.1:0"),
        (&["--listen", "127.0.0.1:0", "--listen", &websocket], "127.0.0.1:0"),
        (&["--listen", &page, "--listen", &websocket, "--config", "a file.toml"], &admin),
        (&[], &admin),
    ];
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a file.toml"), "").unwrap();
    for (arguments, admin) in cases {
        let arguments = [&["serve"], arguments].concat();
        let (log, code) =
            Binary::spawn_in(home.path(), &arguments, &[("WORLDCAST_ADMIN__LISTEN", admin)]).ends().await;
        assert_eq!(code, Some(1), "{log:#?}");
        let last = log.last().unwrap();
        let (_, line) = last.strip_suffix('`').and_then(|text| text.rsplit_once(": `")).expect(last);
        assert!(arguments.len() == 1 || line.contains("worldcast --listen 127.0.0.1:"), "{line}");
        let line = format!("WORLDCAST_ADMIN__LISTEN={admin} {line}");
        Binary::spawn_line(home.path(), &line).logs_until_it_listens().await;
    }
}

#[actix_web::test]
async fn promtool_accepts_the_metrics() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.publishes("hello").await;
    anna.receives().await;
    let metrics = server.metrics().await;
    let (_, text) = metrics.split_once("\r\n\r\n").expect("a head and a body");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
    if output_of("promtool", &["--version"]).await.is_none() {
        return;
    }
    let checked =
        Command::new("promtool").args(["check", "metrics"]).stdin(file.reopen().expect("a file")).output();
    let checked = checked.await.expect("it runs");
    assert!(checked.status.success(), "{}{text}", String::from_utf8_lossy(&checked.stderr));
}
