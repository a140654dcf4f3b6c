//! Handshakes that are admitted, refused, or never complete.

use super::{Client, End, PATIENCE, compression::OFFER, frames::Frames, line::Line};
use crate::{
    model::{ClientId, RoomId, SubscribeOptions},
    plan::Visit,
    process::handshake,
    settings::HANDSHAKE_WITHIN,
    stage::Stage,
};
use bytes::{Buf, BytesMut};
use fastrand::Rng;
use std::{io, net::SocketAddr, rc::Rc, time::Duration};
use testing::connect_with_buffer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// The answer to the key that every client sends (RFC 6455 §1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request that the server must refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    FromAnotherPage,
    ToAnotherName,
    ToABadRoom,
    OfAnOldVersion,
    WithoutAnUpgrade,
    WithABadWish,
}

impl Client {
    /// A client after its opening handshake; it may not have read its greeting yet.
    pub async fn joins(
        stage: &Rc<Stage>,
        visit: &Visit,
        id: ClientId,
        room: RoomId,
        options: SubscribeOptions,
    ) -> Result<Self, End> {
        let mut rng = Rng::with_seed(visit.seed);
        stage.model().enters(id, room, options);
        let socket = connected(address(stage, &mut rng), visit.kind.has_a_small_buffer()).await;
        let admitted = match socket {
            Ok(socket) => is_admitted(socket, request(room, options.echo, visit.compressed)).await,
            Err(_) => Err(End::NotAdmitted),
        };
        match admitted {
            Ok((socket, frames)) => {
                let mut client = Self::new(stage.clone(), id, room, rng, Line::new(socket, frames));
                client.compression = visit.compressed;
                client.receives_frames(); // frames that arrived with the answer
                stage.report().is_admitted();
                Ok(client)
            }
            Err(end) => {
                let verdict = stage.model().leaves(id, room, crate::model::Departure::Sudden);
                stage.judge(verdict);
                Err(end)
            }
        }
    }
}

impl Request {
    pub fn draw(rng: &mut Rng) -> Self {
        use Request::*;
        let all =
            [FromAnotherPage, ToAnotherName, ToABadRoom, OfAnOldVersion, WithoutAnUpgrade, WithABadWish];
        all[rng.usize(..all.len())]
    }

    pub fn status(self) -> u16 {
        match self {
            Self::FromAnotherPage | Self::ToAnotherName => 403,
            Self::ToABadRoom | Self::WithABadWish => 400,
            Self::OfAnOldVersion | Self::WithoutAnUpgrade => 426,
        }
    }

    fn text(self) -> String {
        match self {
            Self::FromAnotherPage => handshake("/websocket", "Origin: https://evil.example\r\n"),
            Self::ToAnotherName => handshake("/websocket", "Host: evil.example\r\n"),
            Self::ToABadRoom => handshake("/websocket/a%20room", ""),
            Self::OfAnOldVersion => handshake("/websocket", "Sec-WebSocket-Version: 8\r\n"),
            Self::WithoutAnUpgrade => "GET /websocket HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            Self::WithABadWish => handshake("/websocket?echo=perhaps", ""),
        }
    }
}

/// Makes a request that must be refused.
pub async fn is_refused(stage: &Stage, request: Request, seed: u64) -> End {
    let address = address(stage, &mut Rng::with_seed(seed));
    let refused = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(request.text().as_bytes()).await?;
        let (status, _) = answer(&mut socket).await?;
        socket.read_to_end(&mut Vec::new()).await?;
        io::Result::Ok(End::Refused(status))
    };
    timeout(PATIENCE, refused).await.map_or(End::Never, |end| end.unwrap_or(End::NotAdmitted))
}

/// Sends the head of a request more slowly than the deadline allows.
pub async fn sends_slowly(stage: &Stage, dribbles: bool, seed: u64) -> End {
    let address = address(stage, &mut Rng::with_seed(seed));
    let Ok(mut socket) = TcpStream::connect(address).await else { return End::NotAdmitted };
    let (mut read, mut write) = socket.split();
    let dribble = async {
        for byte in handshake("/websocket", "").bytes().filter(|_| dribbles) {
            let _ = write.write_all(&[byte]).await; // the reading half notices the end
            sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await
    };
    let mut answer = Vec::new();
    let end = tokio::select! {
        end = timeout(HANDSHAKE_WITHIN * 2, read.read_to_end(&mut answer)) => end,
        () = dribble => unreachable!("it never ends"),
    };
    match end {
        Ok(_) if answer.is_empty() => End::NotAdmitted,
        Ok(_) => End::Refused(status(&answer).unwrap_or_default()),
        Err(_) => End::Never,
    }
}

pub fn address(stage: &Stage, rng: &mut Rng) -> SocketAddr {
    let listeners = stage.listeners.borrow();
    listeners[rng.usize(..listeners.len())]
}

/// An opening handshake for `room`.
pub fn request(room: RoomId, echo: bool, compressed: bool) -> String {
    let offer = if compressed { OFFER } else { "" };
    handshake(&format!("/websocket/{room}?echo={echo}"), offer)
}

async fn connected(address: SocketAddr, small_buffer: bool) -> io::Result<TcpStream> {
    if small_buffer {
        return connect_with_buffer(address, None, 4 << 10).await;
    }
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// The opening handshake; the frames after it.
async fn is_admitted(mut socket: TcpStream, request: String) -> Result<(TcpStream, Frames), End> {
    let handshake = async {
        socket.write_all(request.as_bytes()).await?;
        answer(&mut socket).await
    };
    match timeout(PATIENCE, handshake).await {
        Err(_) => Err(End::Never),
        Ok(Err(_)) => Err(End::NotAdmitted),
        Ok(Ok((101, frames))) => Ok((socket, frames)),
        Ok(Ok((status, _))) => Err(End::Refused(status)),
    }
}

/// The status of the answer, and the bytes after its head.
async fn answer(socket: &mut TcpStream) -> io::Result<(u16, Frames)> {
    let mut unread = BytesMut::with_capacity(4 << 10);
    loop {
        if let Some(end) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let status = status(&unread).filter(|status| *status != 101 || accepts(&unread[..end]));
            unread.advance(end + 4);
            let status = status.ok_or_else(|| io::Error::other("an answer to another key"))?;
            return Ok((status, Frames { unread }));
        }
        if socket.read_buf(&mut unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn status(head: &[u8]) -> Option<u16> {
    str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

fn accepts(head: &[u8]) -> bool {
    head.windows(ACCEPT.len()).any(|window| window == ACCEPT.as_bytes())
}
