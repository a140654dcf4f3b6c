//! A usual client, by tokio-tungstenite.

use crate::within;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async};
use tungstenite::{
    Error, Message,
    client::IntoClientRequest,
    handshake::client::Response,
    protocol::{CloseFrame, Role, frame::coding::CloseCode},
};

/// A WebSocket client; every wait has the deadline [`PATIENCE`](crate::PATIENCE).
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    path: String,
}

/// The end of a session, as the client sees it.
#[derive(Debug, PartialEq)]
pub enum End {
    /// A close frame with this code, and then the end of the connection.
    Code(u16),
    /// A close frame without a code, and then the end of the connection.
    NoCode,
    /// A connection that ends without a close frame.
    Lost,
}

impl Client {
    /// A client at `path`, which has read nothing yet.
    pub async fn connect(address: SocketAddr, path: &str) -> Self {
        Self::try_connect(address, path).await.unwrap_or_else(|error| panic!("{path}: {error}")).0
    }

    /// A client on a connection whose opening handshake is over.
    pub async fn on(socket: TcpStream) -> Self {
        let socket = WebSocketStream::from_raw_socket(socket, Role::Client, None).await;
        Self { socket, path: "a room".to_owned() }
    }

    /// The client and the response to its opening handshake, or the error.
    pub async fn try_connect(address: SocketAddr, path: &str) -> Result<(Self, Response), Error> {
        Self::try_connect_with(address, path, &[]).await
    }

    /// The same with more headers.
    pub async fn try_connect_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a value"));
        }
        let handshake = async {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            client_async(request, socket).await
        };
        let (socket, response) = within(format!("a session at {path}"), handshake).await?;
        Ok((Self { socket, path: path.to_owned() }, response))
    }

    /// Sends a text message.
    pub async fn publishes(&mut self, text: impl Into<String>) {
        self.sends(Message::text(text.into())).await;
    }

    /// Sends a binary message.
    pub async fn publishes_binary(&mut self, bytes: impl Into<Bytes>) {
        self.sends(Message::binary(bytes)).await;
    }

    /// Sends a frame of any kind.
    pub async fn sends(&mut self, message: Message) {
        let what = format!("{} to take a message", self.path);
        within(what, self.socket.send(message)).await.expect("the connection holds");
    }

    /// The next message, which is text.
    pub async fn receives(&mut self) -> String {
        match self.receives_message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{}: received {other:?} instead of text", self.path),
        }
    }

    /// The next message, which is binary.
    pub async fn receives_binary(&mut self) -> Bytes {
        match self.receives_message().await {
            Message::Binary(bytes) => bytes,
            other => panic!("{}: received {other:?} instead of bytes", self.path),
        }
    }

    /// Receives the next `count` messages, which are text.
    pub async fn receives_many(&mut self, count: usize) -> Vec<String> {
        let mut received = Vec::with_capacity(count);
        for _ in 0..count {
            received.push(self.receives().await);
        }
        received
    }

    /// The next frame of any kind.
    pub async fn receives_message(&mut self) -> Message {
        let what = format!("a message in {}", self.path);
        match within(what, self.socket.next()).await {
            Some(Ok(message)) => message,
            ended => panic!("{}: {ended:?} instead of a message", self.path),
        }
    }

    /// The next frame of any kind; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Message> {
        let what = format!("a frame or the end in {}", self.path);
        within(what, self.socket.next()).await.and_then(Result::ok)
    }

    /// Sends a close frame and waits for the end.
    pub async fn closes(mut self, code: u16) -> End {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        within("the close frame to go out", self.socket.close(Some(frame))).await.expect("open");
        self.ended_with().await
    }

    /// Waits for the pong to a ping: frames are handled in order, so all earlier ones are accepted.
    pub async fn waits_until_all_is_accepted(&mut self) {
        self.sends(Message::Ping("all of it?".into())).await;
        while !self.receives_message().await.is_pong() {}
    }

    /// Reads until the session ends; ignores all messages.
    pub async fn ended_with(&mut self) -> End {
        self.receives_until_the_end().await.1
    }

    /// All remaining text, and the end of the session.
    pub async fn receives_until_the_end(&mut self) -> (Vec<String>, End) {
        let (mut received, mut end) = (Vec::new(), End::Lost);
        let what = format!("the end of a session in {}", self.path);
        within(what, async {
            while let Some(Ok(message)) = self.socket.next().await {
                match message {
                    Message::Text(text) => received.push(text.to_string()),
                    Message::Close(Some(CloseFrame { code, .. })) => end = End::Code(code.into()),
                    Message::Close(None) => end = End::NoCode,
                    _ => {}
                }
            }
        })
        .await;
        (received, end)
    }
}
