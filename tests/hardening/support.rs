//! Support for the tests of this folder.

use crate::process::{Server, handshake};
use socket2::{SockRef, TcpKeepalive};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use testing::connect_with_buffer;
pub use testing::{eventually, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tungstenite::Message;

/// A client by a foreign library.
pub struct Client(testing::Client);

impl Client {
    /// A client at `path` that has received the greeting.
    pub async fn joins(server: &Server, path: &str) -> Self {
        let mut client = Self(testing::Client::connect(server.listeners[0], path).await);
        assert_eq!(client.receives().await, "world");
        client
    }

    pub async fn publishes(&mut self, text: &str) {
        self.0.publishes(text).await;
    }

    /// The next text.
    pub async fn receives(&mut self) -> String {
        loop {
            match self.0.receives_message().await {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) => {}
                other => panic!("received {other:?} instead of text"),
            }
        }
    }

    /// Asserts that the session works: its message is echoed.
    pub async fn receives_its_echo(&mut self, text: &str) {
        self.publishes(text).await;
        assert_eq!(self.receives().await, text);
    }

    /// The code that the session ends with.
    pub async fn ends_with(mut self) -> Option<u16> {
        while let Some(message) = self.0.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }
}

/// A connection from 127.0.0.`last`, whose kernel takes little of what is not read.
pub async fn connect_from(address: SocketAddr, last: u8) -> TcpStream {
    let connected = connect_with_buffer(address, Some(Ipv4Addr::new(127, 0, 0, last)), 4 << 10);
    within("a connection", connected).await.expect("a connection")
}

/// A client in `room` that never reads more than the answer to its handshake.
pub async fn client_that_does_not_read(server: &Server, room: &str) -> TcpStream {
    let mut socket = connect_from(server.listeners[0], 1).await;
    let request = handshake(&format!("/websocket/{room}"), "");
    socket.write_all(request.as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "101");
    enable_keepalive(&socket);
    socket
}

/// Lets the kernel notice a connection that the server's kernel has dropped without a signal.
fn enable_keepalive(socket: &TcpStream) {
    let each_second =
        TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1));
    SockRef::from(socket).set_tcp_keepalive(&each_second).expect("a socket");
}

/// Waits until the connection has been reset, without reading from it.
pub async fn is_cut_off(socket: &TcpStream) {
    eventually("the end of a connection", || socket.take_error().expect("a socket").is_some()).await;
}

/// The head of the next answer.
pub async fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the head of an answer", socket.read_u8()).await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

/// The whole answer to a plain request.
pub async fn get(address: SocketAddr, path: &str) -> String {
    get_with(address, path, "Host: localhost").await
}

/// The same with these headers.
pub async fn get_with(address: SocketAddr, path: &str, headers: &str) -> String {
    answer_to(address, &format!("GET {path}"), headers).await
}

/// The whole answer to a request without a body, which begins with this method and target.
pub async fn answer_to(address: SocketAddr, method_and_target: &str, headers: &str) -> String {
    let answer = async {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let request = format!("{method_and_target} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("a connection");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer in UTF-8");
        answer
    };
    within(format!("an answer of {address} to {method_and_target}"), answer).await
}

/// The whole response to a published text.
pub async fn post(address: SocketAddr, path: &str, text: &str) -> String {
    let answer = async {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let length = text.len();
        let headers = "Host: localhost\r\nConnection: close\r\nContent-Type: text/plain";
        let request = format!("POST {path} HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{text}");
        socket.write_all(request.as_bytes()).await.expect("a connection");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer in UTF-8");
        answer
    };
    within(format!("an answer of {address}{path}"), answer).await
}

/// The head of the response to a valid handshake.
pub async fn handshake_answer(server: &Server) -> String {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    socket.write_all(handshake("/websocket", "").as_bytes()).await.expect("a connection");
    head(&mut socket).await
}

/// Waits until `worldcast_{name}` has this value.
pub async fn reaches(server: &Server, name: &str, value: u64) {
    let what = format!("{name} to come to {value}");
    within(what, async { while server.metrics().await.value(name) != value {} }).await;
}

/// Waits until the server counts so many or more as the value of `worldcast_{name}`.
pub async fn comes_to_at_least(server: &Server, name: &str, value: u64) {
    let what = format!("{name} to come to {value} or more");
    within(what, async { while server.metrics().await.value(name) < value {} }).await;
}
