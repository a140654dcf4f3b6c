//! A connection to one room that comes back when it is lost, and goes on where it was.

use super::{
    Failure,
    told::{Told, Welcome},
};
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Error, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Response, header},
        protocol::CloseFrame,
    },
};

/// Which room of which server, and with what right.
pub struct Address {
    /// `ws://127.0.0.1:8080`
    pub server: String,
    pub room: String,
    pub key: Option<String>,
    /// How long to try when the server cannot be reached.
    pub patience: Duration,
    /// How many of the last messages to begin with.
    pub last: usize,
}

pub struct Connection {
    address: Address,
    socket: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    /// Who we are and behind which message; nothing before the first welcome.
    place: Option<Welcome>,
}

/// The shortest and the longest time between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Connection {
    pub fn new(address: Address) -> Self {
        Self { address, socket: None, place: None }
    }

    /// What the server says next; connects first, or again. A welcome says that it did.
    pub async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            if self.socket.is_none() {
                self.connect().await?;
            }
            let Some(socket) = &mut self.socket else { continue };
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let told = serde_json::from_str(&text).unwrap_or(Told::Other);
                    return Ok(self.note(told));
                }
                Some(Ok(Message::Close(Some(frame)))) if !may_come_back(&frame) => {
                    return Err(Failure::Refused(frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.socket = None,
            }
        }
    }

    /// Says something; whether it arrived is known by what comes back.
    pub async fn say(&mut self, request: &str) {
        let Some(socket) = &mut self.socket else { return };
        if socket.send(Message::text(request)).await.is_err() {
            self.socket = None;
        }
    }

    /// Whether a message is our own.
    pub fn is_ours(&self, who: Option<u64>) -> bool {
        self.place.as_ref().is_some_and(|place| Some(place.who) == who)
    }

    pub async fn close(mut self) {
        if let Some(socket) = &mut self.socket {
            let _ = socket.close(None).await; // whatever was said has been heard
        }
    }

    /// Remembers where we are.
    fn note(&mut self, told: Told) -> Told {
        match (&told, &mut self.place) {
            (Told::Welcome(Welcome { session, who, epoch, offset, recovered }), place) => {
                let (session, epoch) = (session.clone(), epoch.clone());
                let welcome = Welcome { session, who: *who, epoch, offset: *offset, recovered: *recovered };
                *place = Some(welcome);
            }
            (Told::Message(message), Some(place)) => place.offset = message.offset,
            _ => {}
        }
        told
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let (begun, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let error = match connect_async(self.request()?).await {
                Ok((socket, _)) => {
                    self.socket = Some(socket);
                    return Ok(());
                }
                Err(Error::Http(answer)) if !is_temporary(&answer) => return Err(refusal(&answer)),
                Err(error @ (Error::Url(_) | Error::HttpFormat(_))) => {
                    return Err(Failure::Refused(error.to_string()));
                }
                Err(error) => error,
            };
            if begun.elapsed() >= self.address.patience {
                return Err(Failure::Unreachable(self.address.server.clone(), error.to_string()));
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await; // not all at once
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn request(&self) -> Result<Request, Failure> {
        let refused = |error: String| Failure::Refused(error);
        let Address { server, room, key, last, .. } = &self.address;
        let place = match &self.place {
            Some(Welcome { session, epoch, offset, .. }) => {
                format!("since={epoch}-{offset}&session={session}")
            }
            None => format!("last={last}"),
        };
        let url = format!("{}/websocket/{room}?echo=true&{place}", server.trim_end_matches('/'));
        let mut request = url.into_client_request().map_err(|error| refused(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("worldcast.v1"));
        if let Some(key) = key {
            let bearer = HeaderValue::try_from(format!("Bearer {key}"));
            headers.insert(header::AUTHORIZATION, bearer.map_err(|error| refused(error.to_string()))?);
        }
        Ok(request)
    }
}

/// The codes that say no to whoever comes back.
fn may_come_back(frame: &CloseFrame) -> bool {
    !matches!(u16::from(frame.code), 1002 | 1003 | 1007 | 1008 | 1009)
}

fn is_temporary(answer: &Response<Option<Vec<u8>>>) -> bool {
    matches!(answer.status().as_u16(), 429 | 502 | 503 | 504)
}

/// The sentence of the answer, or its status.
fn refusal(answer: &tungstenite::http::Response<Option<Vec<u8>>>) -> Failure {
    let body = answer.body().as_deref().unwrap_or_default();
    let message = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = message.as_ref().and_then(|body| body["message"].as_str());
    Failure::Refused(message.map_or_else(|| answer.status().to_string(), str::to_owned))
}
