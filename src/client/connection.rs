//! A connection to one room that is opened again when it is lost, and resumes where it was.

use super::{
    Failure, ServerAddress, Trust,
    escape::escaped,
    outage::{Achievement, Outage},
    server_message::{ServerMessage, Welcome},
    tls,
};
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::{future::poll_fn, task::Poll, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Error, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Response, header},
        protocol::CloseFrame,
    },
};
use worldcast::config::RoomName;

/// A room of a server, the key to show, and the patience to have.
pub struct Address {
    pub server: ServerAddress,
    /// The authorities of a `wss://` address; nothing for one without TLS.
    pub trust: Option<Trust>,
    pub room: RoomName,
    pub key: Option<HeaderValue>,
    /// The longest time without reaching the server.
    pub patience: Duration,
    /// The longest silence of the server; it is pinged after half of it.
    pub silence: Duration,
    /// Number of the last messages to begin with.
    pub last: usize,
}

pub struct Connection {
    address: Address,
    live: Option<Live>,
    /// The session and the position to resume from; nothing before the first welcome.
    resume: Option<Welcome>,
    outage: Outage,
}

/// A session whose welcome has come.
struct Live {
    socket: Socket,
    opened: Instant,
    last_heard: Instant,
    /// When the server was asked whether it is still there; nothing once it says anything.
    asked: Option<Instant>,
    /// A message has come.
    useful: bool,
}

/// An event of a connection.
pub enum Event {
    Message(ServerMessage),
    /// The connection is lost; the next event is a welcome.
    Lost,
}

/// The failure of one attempt.
enum Attempt {
    /// The next one would end the same way.
    ForGood(Failure),
    Failed(String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// From the first packet of an attempt to the welcome.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);

/// The least that the first attempt has, however little patience there is.
const MIN_ATTEMPT: Duration = Duration::from_secs(1);

/// After so long without an answer people are told what is being tried.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// A connection that held for so long had reached the server.
const REACHED_AFTER: Duration = Duration::from_secs(1);

/// The loss of a connection that held for so long is a new one.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// For our close frame to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Connection {
    pub fn new(address: Address) -> Self {
        Self { address, live: None, resume: None, outage: Outage::new() }
    }

    /// True while a session is open, as far as is known.
    pub fn is_open(&self) -> bool {
        self.live.is_some()
    }

    /// The next event; connects first if no session is open, which brings a welcome. Cancel-safe while `is_open`.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        if self.live.is_none() {
            let welcome = self.connect().await?;
            return Ok(Event::Message(ServerMessage::Welcome(welcome)));
        }
        self.hear().await
    }

    /// Queues a request, which `next` writes; its answer, or an echo, tells that it arrived.
    pub fn say(&mut self, request: &str) {
        let Some(live) = &mut self.live else { return };
        if live.socket.start_send_unpin(Message::text(request)).is_err() {
            self.lose(false);
        }
    }

    /// True for our own messages.
    pub fn is_ours(&self, who: Option<u64>) -> bool {
        self.resume.as_ref().is_some_and(|resume| Some(resume.who) == who)
    }

    pub async fn close(mut self) {
        if let Some(live) = &mut self.live {
            let _ = timeout(CLOSE_WITHIN, live.socket.close(None)).await; // whatever was said has been heard
        }
    }

    async fn hear(&mut self) -> Result<Event, Failure> {
        loop {
            let Some(live) = &mut self.live else { return Ok(Event::Lost) };
            let half = self.address.silence / 2;
            let deadline = live.asked.unwrap_or(live.last_heard) + half;
            let heard = timeout_at(deadline, next_frame(&mut live.socket)).await;
            if heard.is_ok() {
                live.last_heard = Instant::now();
                live.asked = None;
            }
            match heard {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let message = ServerMessage::parse(&text);
                    self.note(&message);
                    return Ok(Event::Message(message));
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let _ = live.socket.flush().now_or_never(); // the answer to it
                    if let Some(failure) = frame.as_ref().and_then(refusal_of) {
                        return Err(failure);
                    }
                    self.lose(true);
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => self.lose(false),
                Err(_) if live.asked.is_none() => {
                    live.asked = Some(Instant::now()); // the deadline counts from the question
                    if live.socket.start_send_unpin(Message::Ping("still there?".into())).is_err() {
                        self.lose(false);
                    }
                }
                Err(_) => self.lose(false),
            }
        }
    }

    /// Remembers the position.
    fn note(&mut self, message: &ServerMessage) {
        match (message, &mut self.resume) {
            (ServerMessage::Welcome(welcome), resume) => *resume = Some(welcome.clone()),
            (ServerMessage::Message(message), Some(resume)) => {
                resume.offset = message.offset;
                if let Some(live) = &mut self.live {
                    live.useful = true;
                }
            }
            _ => {}
        }
    }

    /// `closed`: the server sent a close frame.
    fn lose(&mut self, closed: bool) {
        let Some(live) = self.live.take() else { return };
        let held = live.opened.elapsed();
        let (steady, useful) = (held >= STEADY_AFTER, live.useful || held >= REACHED_AFTER);
        self.outage.goes_on(Achievement { steady, useful, closed });
    }

    /// Tries until it is welcome or patience ends.
    async fn connect(&mut self) -> Result<Welcome, Failure> {
        let mut reason = "no answer".to_owned(); // of the server, in the time that there was
        let mut is_first = true;
        loop {
            let pause = self.outage.pause();
            let rest = self.outage.rest_of(self.address.patience);
            if !is_first && pause >= rest {
                sleep(rest).await;
                return Err(Failure::Unreachable(self.address.server.to_string(), reason));
            }
            sleep(pause).await;
            let rest = self.outage.rest_of(self.address.patience);
            let least = if is_first { MIN_ATTEMPT } else { Duration::ZERO };
            is_first = false;
            let limit = rest.clamp(least, ATTEMPT_WITHIN);
            reason = match timeout(limit, self.attempt()).await {
                Ok(Ok(live_and_welcome)) => return Ok(self.resume_with(live_and_welcome)),
                Ok(Err(Attempt::ForGood(failure))) => return Err(failure),
                Ok(Err(Attempt::Failed(reason))) => reason,
                Err(_) => format!("no answer within {}", humantime::format_duration(limit)),
            };
            self.tell(&reason);
            self.outage.goes_on(Achievement::default());
        }
    }

    fn resume_with(&mut self, (socket, welcome): (Socket, Welcome)) -> Welcome {
        let now = Instant::now();
        self.live = Some(Live { socket, opened: now, last_heard: now, asked: None, useful: false });
        self.resume = Some(welcome.clone());
        welcome
    }

    /// Connects and waits for the welcome; says so when that takes time.
    async fn attempt(&mut self) -> Result<(Socket, Welcome), Attempt> {
        let request = self.request()?;
        let mut attempt = Box::pin(attempt(request, self.address.trust.clone()));
        match timeout(TELL_AFTER, &mut attempt).await {
            Ok(ended) => ended,
            Err(_) => {
                self.tell("no answer yet");
                attempt.await
            }
        }
    }

    /// Tells people once for each outage what is tried, and for how long.
    fn tell(&mut self, reason: &str) {
        let rest = self.outage.rest_of(self.address.patience);
        if self.outage.told || rest.is_zero() {
            return;
        }
        self.outage.told = true;
        let rest = humantime::format_duration(Duration::from_secs(rest.as_secs_f64().ceil() as u64));
        eprintln!("worldcast: cannot reach {}: {reason}; trying for {rest}", self.address.server);
    }

    fn request(&self) -> Result<Request, Attempt> {
        let Address { server, room, key, last, .. } = &self.address;
        let position = match &self.resume {
            Some(Welcome { session, epoch, offset, .. }) => {
                format!("since={epoch}-{offset}&session={session}")
            }
            None => format!("last={last}"),
        };
        let url = format!("{}?echo=true&{position}", server.room_url(room));
        let mut request = url
            .into_client_request()
            .map_err(|error| Attempt::ForGood(Failure::Usage(format!("--server: {error}"))))?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("worldcast.v1"));
        if let Some(key) = key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        Ok(request)
    }
}

/// One connection, up to the welcome.
async fn attempt(request: Request, trust: Option<Trust>) -> Result<(Socket, Welcome), Attempt> {
    let connector = trust.as_ref().map(Trust::connector);
    let mut socket = match connect_async_tls_with_config(request, None, false, connector).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(answer)) if !is_temporary(&answer) => return Err(Attempt::ForGood(refusal(&answer))),
        Err(Error::Http(answer)) => return Err(Attempt::Failed(sentence_of(&answer))),
        Err(error @ Error::Url(_)) => {
            return Err(Attempt::ForGood(Failure::Usage(format!("--server: {error}"))));
        }
        Err(error) => {
            return Err(match trust.and_then(|trust| trust.distrust(&error)) {
                Some(why) => Attempt::ForGood(Failure::Untrusted(why)),
                None => Attempt::Failed(tls::sentence_of(&error)),
            });
        }
    };
    loop {
        match next_frame(&mut socket).await {
            Some(Ok(Message::Text(text))) => {
                if let ServerMessage::Welcome(welcome) = ServerMessage::parse(&text) {
                    return Ok((socket, welcome));
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let _ = socket.flush().now_or_never(); // the answer to it
                let Some(frame) = frame else {
                    return Err(Attempt::Failed("closed without a code".to_owned()));
                };
                return Err(match refusal_of(&frame) {
                    Some(failure) => Attempt::ForGood(failure),
                    None => Attempt::Failed(sentence_of_close(&frame)),
                });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Attempt::Failed(escaped(&error.to_string(), &[]))),
            None => return Err(Attempt::Failed("the connection ended".to_owned())),
        }
    }
}

/// The next frame; meanwhile queued requests are written as far as the kernel takes them. Cancel-safe.
async fn next_frame(socket: &mut Socket) -> Option<Result<Message, Error>> {
    poll_fn(|context| {
        if let Poll::Ready(Err(error)) = socket.poll_flush_unpin(context) {
            return Poll::Ready(Some(Err(error)));
        }
        socket.poll_next_unpin(context)
    })
    .await
}

/// The failure that a close frame means, if another attempt would end the same way.
fn refusal_of(frame: &CloseFrame) -> Option<Failure> {
    let for_good = matches!(u16::from(frame.code), 1002 | 1003 | 1007 | 1008 | 1009);
    for_good.then(|| match frame.reason.as_str() {
        "" => Failure::Refused(format!("code {}", u16::from(frame.code))),
        reason => Failure::refused(reason),
    })
}

fn sentence_of_close(frame: &CloseFrame) -> String {
    escaped(&format!("closed with {} {}", u16::from(frame.code), frame.reason), &[]).trim_end().to_owned()
}

fn is_temporary(answer: &Response<Option<Vec<u8>>>) -> bool {
    matches!(answer.status().as_u16(), 429 | 502 | 503 | 504)
}

fn refusal(answer: &Response<Option<Vec<u8>>>) -> Failure {
    Failure::Refused(sentence_of(answer))
}

/// The sentence of the answer, or its status.
fn sentence_of(answer: &tungstenite::http::Response<Option<Vec<u8>>>) -> String {
    let body = answer.body().as_deref().unwrap_or_default();
    let message = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = message.as_ref().and_then(|body| body["message"].as_str());
    let location = answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection());
    match location {
        Some(location) => {
            let location = String::from_utf8_lossy(location.as_bytes());
            escaped(&format!("{}: connect to {location} instead", answer.status()), &[])
        }
        None => escaped(message.unwrap_or(&answer.status().to_string()), &[]),
    }
}
