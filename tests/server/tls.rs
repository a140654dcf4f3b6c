//! The program as a client over TLS: trusted certificates, and the message about others.

use crate::{
    commands::{end_of, runs, runs_with},
    support::{Authority, Fake, Flaw, Host, TestServer, TlsProxy, within},
};
use std::{fs, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Child,
};

/// Publishes a line in the room, with these arguments and variables of the environment.
async fn pipes(line: &str, arguments: &[&str], variables: &[(&str, &Path)]) -> (Option<i32>, String) {
    let mut pipe = command("pipe", arguments, variables);
    let _ = pipe.stdin.as_mut().unwrap().write_all(line.as_bytes()).await; // it may have ended
    end_of(pipe).await
}

fn command(command: &str, arguments: &[&str], variables: &[(&str, &Path)]) -> Child {
    runs_with(&[&[command], arguments].concat(), variables, Stdio::piped())
}

#[actix_web::test]
async fn over_tls_pipe_publishes_and_listen_receives() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    let proxy = TlsProxy::start(server.address(), &authority, Flaw::None).await;
    let (port, ca) = (proxy.address.port(), authority.file().to_str().unwrap());
    let address = format!("wss://localhost:{port}/websocket/news");
    let mut listener = runs(&["listen", "--server", &address, "--ca", ca], Stdio::piped());
    server.has_clients("news", 1).await;
    let mut received = BufReader::new(listener.stdout.take().unwrap()).lines();
    for address in [
        format!("wss://localhost:{port}"),
        format!("wss://127.0.0.1:{port}/websocket"),
        format!("https://localhost:{port}/"),
        format!("HTTPS://127.0.0.1:{port}/#news"),
    ] {
        let mut pipe = runs(&["pipe", "news", "--server", &address, "--ca", ca], Stdio::piped());
        pipe.stdin.as_mut().unwrap().write_all(address.as_bytes()).await.unwrap();
        assert_eq!(end_of(pipe).await, (Some(0), String::new()), "{address}");
        let line = within("a line", received.next_line()).await.unwrap();
        assert_eq!(line.as_deref(), Some(&*address));
    }
    assert_eq!(proxy.trusted(), 5);
}

#[actix_web::test]
async fn without_a_file_the_authorities_of_the_system_are_trusted() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    let proxy = TlsProxy::start(server.address(), &authority, Flaw::None).await;
    let address = format!("wss://{}", proxy.address);
    let mut anna = server.join("news").await;
    let ended = pipes("hello", &["news", "--server", &address], &[("SSL_CERT_FILE", authority.file())]).await;
    assert_eq!(ended, (Some(0), String::new()));
    assert_eq!(anna.receives().await, "hello");

    let empty = tempfile::tempdir().unwrap();
    let nowhere = [("SSL_CERT_FILE", Path::new("/no/such/file")), ("SSL_CERT_DIR", empty.path())];
    let (code, stderr) = pipes("", &["news", "--server", &address], &nowhere).await;
    assert!(
        code == Some(4) && stderr.contains("ca-certificates") && stderr.contains("--ca FILE"),
        "{stderr}"
    );
}

#[actix_web::test]
async fn a_certificate_that_is_not_trusted_ends_with_4_and_a_remedy_before_a_key_is_shown() {
    let (server, authority, other) = (TestServer::start().await, Authority::new(), Authority::new());
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "a-key-that-nobody-else-may-see").unwrap();
    let (ours, others) = (authority.file().to_str().unwrap(), other.file().to_str().unwrap());
    for (flaw, ca, remedy) in [
        (Flaw::None, None, "name a file with the authority's certificate: --ca FILE"),
        (Flaw::None, Some(others), "(--ca) has issued its certificate"),
        (Flaw::Expired, Some(ours), "has expired; renew it"),
        (Flaw::NotYetValid, Some(ours), "not valid yet; check the clock"),
        (Flaw::OtherName, Some(ours), "connect by one that it is for: chat.example"),
        (Flaw::NoName, Some(ours), "names no host (subjectAltName)"),
        (Flaw::OfAuthority, Some(ours), "issue one for the server"),
    ] {
        let proxy = TlsProxy::start(server.address(), &authority, flaw).await;
        let address = format!("wss://localhost:{}", proxy.address.port());
        let mut arguments = vec!["news", "--server", &address, "--key-file", key.path().to_str().unwrap()];
        arguments.extend(ca.iter().flat_map(|ca| ["--ca", ca]));
        for name in ["pipe", "listen"] {
            let (code, stderr) = end_of(command(name, &arguments, &[("SSL_CERT_FILE", other.file())])).await;
            assert_eq!(code, Some(4), "{remedy}: {stderr}");
            assert!(
                stderr.starts_with("worldcast: cannot trust the server: ") && stderr.contains(remedy),
                "{stderr}"
            );
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
        assert_eq!(proxy.trusted(), 0, "{remedy}");
    }
}

#[actix_web::test]
async fn a_port_without_tls_or_a_mute_one_is_tried_for_as_long_as_patience() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    let mute = Fake::that_never_answers().await;
    let ca = authority.file().to_str().unwrap();
    for (address, expected) in
        [(server.address(), "write ws:// instead of wss://"), (mute.address, "no answer within 1s")]
    {
        let address = format!("wss://{address}");
        let arguments = ["listen", "news", "--server", &address, "--ca", ca, "--patience", "1s"];
        let (code, stderr) = end_of(runs(&arguments, Stdio::piped())).await;
        assert!(code == Some(3) && stderr.contains(expected), "{code:?}, {stderr}");
    }
}

#[actix_web::test]
async fn a_file_of_authorities_that_has_none_is_a_mistake_of_the_command_line() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let broken = tempfile::NamedTempFile::new().unwrap();
    fs::write(broken.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let (empty, broken) = (empty.path().to_str().unwrap(), broken.path().to_str().unwrap());
    for (server, ca, expected) in [
        ("wss://127.0.0.1", "/no/such/file", "--ca /no/such/file: "),
        ("wss://127.0.0.1", empty, "there is no certificate in it"),
        ("wss://127.0.0.1", broken, "--ca "),
        ("ws://127.0.0.1", empty, "--ca is for TLS"),
    ] {
        let (code, stderr) =
            end_of(runs(&["listen", "news", "--server", server, "--ca", ca], Stdio::piped())).await;
        assert!(code == Some(2) && stderr.contains(expected), "{server} {ca}: {code:?}, {stderr}");
    }
}
