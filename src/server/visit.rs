//! A connection whose first request is read.

use actix_http::{
    Request, Response, ServiceConfig,
    body::{BodySize, BoxBody, MessageBody},
    h1::{Codec, Message, MessageType},
    header,
};
use bytes::BytesMut;
use std::{
    future::poll_fn,
    io::{self, Cursor},
    pin::pin,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Chain, Join, join},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::codec::{Decoder, Encoder};

pub struct Visit {
    socket: TcpStream,
    codec: Codec,
    /// What has come and is not understood yet.
    unread: BytesMut,
}

/// A socket behind what was read of it already.
pub type Reread = Join<Chain<Cursor<BytesMut>, OwnedReadHalf>, OwnedWriteHalf>;

/// Most requests are shorter.
const READ_SIZE: usize = 1 << 10;

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
        let (read, write) = self.socket.into_split();
        join(Cursor::new(self.unread).chain(read), write)
    }

    /// The socket, and what came behind the request.
    pub fn end(self) -> (TcpStream, BytesMut) {
        (self.socket, BytesMut::from(&self.unread[..])) // the buffer itself is larger and would stay
    }

    /// Writes the response and parts, both within `patience`.
    pub async fn refuse(mut self, mut response: Response<BoxBody>, patience: Duration) {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        let size = response.body().size();
        let parting = async {
            self.write(response, size).await?;
            self.part().await
        };
        let _ = timeout(patience, parting).await; // who does not want to know is let go
    }

    /// Closes so that what was written arrives: a socket that is dropped with unread bytes resets the connection.
    async fn part(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        let mut rest = [0; 512];
        while self.socket.read(&mut rest).await? > 0 {}
        Ok(())
    }

    /// Head and body in one piece: many libraries show only what comes along with the head.
    pub async fn write(&mut self, response: Response<BoxBody>, size: BodySize) -> io::Result<()> {
        let ((head, body), mut bytes) = (response.into_parts(), BytesMut::new());
        self.codec.encode(Message::Item((head, size)), &mut bytes)?;
        if size != BodySize::Stream {
            let mut body = pin!(body);
            while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                self.codec.encode(Message::Chunk(Some(chunk.map_err(other)?)), &mut bytes)?;
            }
            self.codec.encode(Message::Chunk(None), &mut bytes)?;
        }
        self.socket.write_all(&bytes).await
    }
}

/// As text: these errors cannot leave their thread, which `io::Error` wants to.
pub fn other(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}
