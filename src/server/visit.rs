//! A connection whose first request is read.

use super::reread::Reread;
use crate::config::SessionSettings;
use actix_http::{
    ConnectionType, Request, Response, ServiceConfig,
    body::{BodySize, BoxBody, MessageBody},
    h1::{Codec, Message, MessageType},
};
use bytes::BytesMut;
use std::{future::poll_fn, io, pin::pin};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::codec::{Decoder, Encoder};

pub struct Visit {
    socket: TcpStream,
    codec: Codec,
    /// What has come and is not understood yet.
    unread: BytesMut,
}

/// Most requests are shorter.
const READ_SIZE: usize = 1 << 10;
/// What is written together of an answer: many libraries show only what comes along with the head.
const WRITE_SIZE: usize = 8 << 10;

impl Visit {
    pub fn new(socket: TcpStream, config: ServiceConfig) -> Self {
        Self { socket, codec: Codec::new(config), unread: BytesMut::new() }
    }

    /// The request for an upgrade; nothing if it is another one, or none at all.
    pub async fn handshake(&mut self) -> io::Result<Option<Request>> {
        loop {
            self.unread.reserve(READ_SIZE);
            if self.socket.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
            let mut unread = self.unread.clone(); // actix-http wants to read what is not for us from its beginning
            match self.codec.decode(&mut unread) {
                Ok(None) => {}
                Ok(Some(Message::Item(request))) if self.codec.message_type() == MessageType::Stream => {
                    self.unread = unread;
                    return Ok(Some(request));
                }
                Ok(Some(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// The socket, for whoever reads from the beginning.
    pub fn reread(self) -> Reread {
        Reread::new(self.unread, self.socket)
    }

    /// The socket, and what came behind the request.
    pub fn end(self) -> (TcpStream, BytesMut) {
        (self.socket, BytesMut::from(&self.unread[..])) // the buffer itself is larger and would stay
    }

    /// Lets the client in.
    pub async fn admit(&mut self, response: Response<BoxBody>) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(Message::Item((response.drop_body(), BodySize::Stream)), &mut bytes)?;
        self.socket.write_all(&bytes).await
    }

    /// Answers within `session.handshake_within` and parts within `session.close_within`.
    pub async fn refuse(mut self, mut response: Response<BoxBody>, session: &SessionSettings) {
        response.head_mut().set_connection_type(ConnectionType::Close);
        let answered = timeout(session.handshake_within, self.answer(response)).await;
        if let Ok(Ok(())) = answered {
            let _ = timeout(session.close_within, self.part()).await; // who does not want to know is let go
        }
    }

    /// Holds no more of the body than is written together, and the body itself, which may count for something, to the end.
    async fn answer(&mut self, response: Response<BoxBody>) -> io::Result<()> {
        let ((head, body), mut bytes) = (response.into_parts(), BytesMut::new());
        self.codec.encode(Message::Item((head, body.size())), &mut bytes)?;
        let mut body = pin!(body);
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            self.codec.encode(Message::Chunk(Some(chunk.map_err(other)?)), &mut bytes)?;
            if bytes.len() >= WRITE_SIZE {
                self.socket.write_all_buf(&mut bytes).await?;
            }
        }
        self.codec.encode(Message::Chunk(None), &mut bytes)?;
        self.socket.write_all_buf(&mut bytes).await
    }

    /// Closes so that what was written arrives: a socket that is dropped with unread bytes resets the connection.
    async fn part(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        let mut rest = [0; 512];
        while self.socket.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// As text: these errors cannot leave their thread, which `io::Error` wants to.
pub fn other(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}
