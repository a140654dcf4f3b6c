//! Servers that misbehave, so that our own clients show their patience.

use actix_web::rt::spawn;
use futures_util::{SinkExt, StreamExt};
use std::{future::pending, net::SocketAddr, rc::Rc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    accept_async, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderValue,
        protocol::CloseFrame,
    },
};

/// A listener of its own that counts its connections.
pub struct Fake {
    pub address: SocketAddr,
    accepted: watch::Receiver<usize>,
}

impl Fake {
    /// Accepts connections and never answers.
    pub async fn that_never_answers() -> Self {
        Self::start(|socket| async {
            let _held = socket;
            pending::<()>().await;
        })
        .await
    }

    /// Answers the handshake and sends nothing after it.
    pub async fn that_is_mute() -> Self {
        Self::start(|socket| async {
            let _held = accept_hdr_async(socket, v1).await;
            pending::<()>().await;
        })
        .await
    }

    /// Closes with `code` right after the answer to the handshake.
    pub async fn that_closes_with(code: u16) -> Self {
        Self::start(move |socket| async move {
            let Ok(mut socket) = accept_hdr_async(socket, v1).await else { return };
            let frame = CloseFrame { code: code.into(), reason: "not\u{1b}[2J today".into() };
            let _ = socket.close(Some(frame)).await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await
    }

    /// Sends a welcome, and the same message each time if `with_message`; then cuts the connection,
    /// or closes it with `code`.
    pub async fn that_ends_after_its_welcome(code: Option<u16>, with_message: bool) -> Self {
        Self::start(move |socket| async move {
            let Ok(mut socket) = accept_hdr_async(socket, v1).await else { return };
            let welcome = r#"{"type":"welcome","session":"s","who":"w","epoch":"e","offset":0}"#;
            let message = r#"{"type":"message","offset":1,"text":"again"}"#;
            let frames = [Some(welcome), Some(message).filter(|_| with_message)];
            for frame in frames.into_iter().flatten() {
                let _ = socket.send(Message::text(frame)).await;
            }
            let Some(code) = code else { return };
            let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "full".into() })).await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await
    }

    /// Sends a welcome, and after each request the frames that `answer` returns for it. The first
    /// request of a connection is the address in its handshake. The frame `close` closes with 1012.
    pub async fn that_answers(answer: impl Fn(&str) -> Vec<String> + 'static) -> Self {
        let answer = Rc::new(answer);
        Self::start(move |socket| {
            let answer = answer.clone();
            async move {
                let mut address = String::new();
                #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
                let agrees = |request: &Request, response| {
                    address = request.uri().to_string();
                    v1(request, response)
                };
                let Ok(mut socket) = accept_hdr_async(socket, agrees).await else { return };
                let mut frames = answer(&address);
                loop {
                    for frame in frames {
                        if frame == "close" {
                            let restart = CloseFrame { code: 1012.into(), reason: "restart".into() };
                            let _ = socket.close(Some(restart)).await;
                            while let Some(Ok(_)) = socket.next().await {}
                            return;
                        }
                        let _ = socket.send(Message::text(frame)).await;
                    }
                    frames = match socket.next().await {
                        Some(Ok(Message::Text(request))) => answer(&request),
                        Some(Ok(_)) => vec![],
                        _ => return,
                    };
                }
            }
        })
        .await
    }

    /// Speaks WebSocket, but not worldcast.v1.
    pub async fn without_a_subprotocol() -> Self {
        Self::start(|socket| async {
            let _held = accept_async(socket).await;
            pending::<()>().await;
        })
        .await
    }

    async fn start<F: Future<Output = ()> + 'static>(serve: impl Fn(TcpStream) -> F + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (count, accepted) = watch::channel(0);
        spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                spawn(serve(socket));
            }
        });
        Self { address, accepted }
    }

    /// The number of accepted connections.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }
}

/// Agrees on worldcast.v1.
#[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
fn v1(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("worldcast.v1"));
    Ok(response)
}
