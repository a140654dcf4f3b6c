//! A client as anybody would write one, by tokio-tungstenite.

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

pub struct Client {
    socket: WebSocketStream<TcpStream>,
    path: String,
}

/// What a client hears last.
#[derive(Debug, PartialEq)]
pub enum End {
    /// A close frame with this code, and then the end of the connection.
    Code(u16),
    /// A close frame without a code, and then the end of the connection.
    NoCode,
    /// A connection that ends without a word.
    Lost,
}

impl Client {
    /// A client at `path`, which has heard nothing yet.
    pub async fn connect(address: SocketAddr, path: &str) -> Self {
        Self::try_connect(address, path).await.unwrap_or_else(|error| panic!("{path}: {error}")).0
    }

    /// A client on a connection whose opening handshake is over.
    pub async fn on(socket: TcpStream) -> Self {
        let socket = WebSocketStream::from_raw_socket(socket, Role::Client, None).await;
        Self { socket, path: "a room".to_owned() }
    }

    /// The answer to the opening handshake beside the client, or why there is none.
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

    pub async fn says(&mut self, text: impl Into<String>) {
        self.sends(Message::text(text.into())).await;
    }

    pub async fn says_binary(&mut self, bytes: impl Into<Bytes>) {
        self.sends(Message::binary(bytes)).await;
    }

    pub async fn sends(&mut self, message: Message) {
        let what = format!("{} to take a message", self.path);
        within(what, self.socket.send(message)).await.expect("the connection holds");
    }

    /// The next message, which is text.
    pub async fn hears(&mut self) -> String {
        match self.hears_message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{}: heard {other:?} instead of text", self.path),
        }
    }

    /// The next message, which is binary.
    pub async fn hears_binary(&mut self) -> Bytes {
        match self.hears_message().await {
            Message::Binary(bytes) => bytes,
            other => panic!("{}: heard {other:?} instead of bytes", self.path),
        }
    }

    pub async fn hears_many(&mut self, count: usize) -> Vec<String> {
        let mut heard = Vec::with_capacity(count);
        for _ in 0..count {
            heard.push(self.hears().await);
        }
        heard
    }

    /// The next frame, of whatever kind.
    pub async fn hears_message(&mut self) -> Message {
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

    /// Says goodbye and waits for the end.
    pub async fn closes(mut self, code: u16) -> End {
        let goodbye = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        within("the close frame to go out", self.socket.close(Some(goodbye))).await.expect("open");
        self.ended_with().await
    }

    /// Frames are taken in their order: the answer to a ping says that all before it was taken.
    pub async fn knows_that_all_was_accepted(&mut self) {
        self.sends(Message::Ping("all of it?".into())).await;
        while !self.hears_message().await.is_pong() {}
    }

    /// Reads on until the session ends; everything heard on the way is let pass.
    pub async fn ended_with(&mut self) -> End {
        self.hears_until_the_end().await.1
    }

    /// All text that is still to come, and how the session ends.
    pub async fn hears_until_the_end(&mut self) -> (Vec<String>, End) {
        let (mut heard, mut end) = (Vec::new(), End::Lost);
        let what = format!("the end of a session in {}", self.path);
        within(what, async {
            while let Some(Ok(message)) = self.socket.next().await {
                match message {
                    Message::Text(text) => heard.push(text.to_string()),
                    Message::Close(Some(CloseFrame { code, .. })) => end = End::Code(code.into()),
                    Message::Close(None) => end = End::NoCode,
                    _ => {}
                }
            }
        })
        .await;
        (heard, end)
    }
}
