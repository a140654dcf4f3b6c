//! Announced bytes cost nothing, however many they are and however slowly they arrive.

use crate::{
    process::{Launch, Server, append_frame, handshake},
    support::{head, within},
};
use std::fs::File;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CLIENTS: usize = 30;

/// Bytes that each client sends after its announcement.
const SENT: usize = 4 << 20;

/// Sockets, sessions and the buffers of the threads; 30 times what is sent would be 120 MiB.
const FLAT: usize = 8 << 20;

/// The header of a frame of 1 GiB that begins with the byte `first`.
fn gibibyte(first: u8) -> Vec<u8> {
    [&[first, 0xff][..], &(1_u64 << 30).to_be_bytes(), &[7; 4]].concat()
}

/// As many fragments of 60 KiB as make 1 GiB with the one that is announced after them.
fn gibibyte_in_fragments() -> Vec<u8> {
    let mut bytes = Vec::new();
    append_frame(&mut bytes, 0x02, [7; 4], &[0; 60 << 10]);
    bytes.extend(gibibyte(0x00));
    bytes
}

/// A client that sends `opening`, then some bytes one by one, then many at once; reads nothing.
async fn dribbles(server: &Server, opening: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    socket.write_all(handshake("/websocket", "").as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "101");
    let bytes = [vec![opening], vec![&[7][..]; 100], vec![&[7; SENT][..]]].concat();
    for bytes in bytes {
        within("the server to read on", socket.write_all(bytes)).await.expect("a connection");
    }
    socket
}

/// The code of the close frame after the greeting.
async fn code(mut socket: TcpStream) -> u16 {
    let mut received = Vec::new();
    within("the end of a session", socket.read_to_end(&mut received)).await.expect("an orderly end");
    let (_greeting, close) = received.split_at(7);
    assert_eq!(close[0], 0x88, "a close frame instead of {received:?}");
    u16::from_be_bytes([close[2], close[3]])
}

#[tokio::test]
async fn a_message_of_1_gib_that_is_announced_costs_nothing_and_is_refused_with_1009() {
    for opening in [gibibyte(0x82), gibibyte_in_fragments()] {
        let server = Launch::with(&[("workers", "2")]).start();
        server.warms_up().await;
        let before = server.memory();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(dribbles(&server, &opening).await);
        }
        let grown = server.memory().saturating_sub(before);
        assert!(grown < FLAT, "{grown} bytes for {CLIENTS} clients");
        for client in clients {
            assert_eq!(code(client).await, 1009);
        }
    }
}

#[tokio::test]
async fn a_large_answer_to_a_handshake_is_never_in_memory_as_a_whole() {
    const LARGE: u64 = 256 << 20;
    let page = tempfile::tempdir().expect("a directory");
    File::create(page.path().join("large")).and_then(|file| file.set_len(LARGE)).expect("a file");
    let server = Launch::with(&[("page.directory", page.path().to_str().expect("text"))]).start();
    server.warms_up().await;
    let before = server.memory();
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    socket.write_all(handshake("/large", "").as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "200"); // from here on it reads nothing
    let grown = server.memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes");
}
