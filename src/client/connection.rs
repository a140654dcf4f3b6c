//! A connection to one room that reconnects after a loss and resumes at its last position.

use super::{
    Failure, ServerAddress, Trust,
    escape::escaped,
    outage::{Achievement, Outage},
    server_message::{ServerMessage, Welcome},
    tls,
};
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::{future::poll_fn, io, task::Poll, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, Error, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Response, Uri, header},
        protocol::CloseFrame,
    },
};
use worldcast::{config::RoomName, protocol::may_reconnect_after};

/// The server, the room, and the options of a connection.
pub struct Address {
    /// The server.
    pub server: ServerAddress,
    /// The authorities of a `wss://` address; `None` without TLS.
    pub trust: Option<Trust>,
    /// The room.
    pub room: RoomName,
    /// The value of the header `Authorization`.
    pub key: Option<HeaderValue>,
    /// The longest time without reaching the server; after it the command fails.
    pub patience: Duration,
    /// The longest silence of the server; it is pinged after half of it.
    pub silence: Duration,
    /// The number of messages of the history to begin with.
    pub last: usize,
}

/// A connection to one room that reconnects by itself.
pub struct Connection {
    address: Address,
    live: Option<Live>,
    /// The session and the position to resume from; `None` before the first welcome.
    resume: Option<Welcome>,
    /// The largest offset of a message that has arrived in the epoch of `resume`; 0 before the first.
    furthest: u64,
    outage: Outage,
}

/// A session whose welcome has arrived.
struct Live {
    socket: Socket,
    opened: Instant,
    /// The time at which the last frame arrived.
    last_received: Instant,
    /// The time of a ping after which no frame has arrived.
    pinged: Option<Instant>,
    /// True once a message has arrived that no earlier connection delivered.
    useful: bool,
}

/// An event of a connection.
pub enum Event {
    /// A message of the server.
    Message(ServerMessage),
    /// The server has lost this number of messages, which it delivered before or cannot deliver.
    HistoryLost(u64),
    /// The connection is lost; the next event is a welcome.
    Lost,
}

/// The failure of one attempt.
enum Attempt {
    /// A failure that the next attempt would repeat.
    Permanent(Failure),
    /// A failure that may pass, with its reason.
    Temporary(String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The longest time from the start of an attempt to the welcome.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);

/// The time that the first attempt has, even if the patience is shorter.
const MIN_ATTEMPT: Duration = Duration::from_secs(1);

/// The time without an answer after which the attempt is reported to the user.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// The longest time for sending the close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Connection {
    /// Creates a connection, which connects at the first [`Connection::next`].
    pub fn new(address: Address) -> Self {
        Self { address, live: None, resume: None, furthest: 0, outage: Outage::new() }
    }

    /// Returns true while a session is open, unless its loss has not been noticed yet.
    pub fn is_open(&self) -> bool {
        self.live.is_some()
    }

    /// Returns the next event. If no session is open, it connects first and returns the welcome.
    /// Cancel-safe only while `is_open`.
    ///
    /// # Errors
    /// [`Failure::Refused`] if the server refuses the client, [`Failure::Unreachable`] once
    /// patience ends, and [`Failure::Usage`] for an address that cannot be used.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        if self.live.is_none() {
            let welcome = self.connect().await?;
            return Ok(Event::Message(ServerMessage::Welcome(welcome)));
        }
        self.receive().await
    }

    /// Queues a request, which `next` writes; its answer, or an echo, confirms it.
    pub fn send(&mut self, request: &str) {
        let Some(live) = &mut self.live else { return };
        if let Err(error) = live.socket.start_send_unpin(Message::text(request)) {
            self.lose(false, &tls::sentence_of(&error));
        }
    }

    /// Returns true if `who` is this client.
    pub fn is_ours(&self, who: Option<&str>) -> bool {
        self.resume.as_ref().is_some_and(|resume| Some(resume.who.as_str()) == who)
    }

    /// Closes the connection; waits no longer than 2 s for the close frame to be sent.
    pub async fn close(mut self) {
        if let Some(live) = &mut self.live {
            // Every message is confirmed already.
            let _ = timeout(CLOSE_WITHIN, live.socket.close(None)).await;
        }
    }

    async fn receive(&mut self) -> Result<Event, Failure> {
        loop {
            let Some(live) = &mut self.live else { return Ok(Event::Lost) };
            let half = self.address.silence / 2;
            let deadline = live.pinged.unwrap_or(live.last_received) + half;
            let received = timeout_at(deadline, next_frame(&mut live.socket)).await;
            if received.is_ok() {
                live.last_received = Instant::now();
                live.pinged = None;
            }
            match received {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let message = ServerMessage::parse(&text);
                    return Ok(match self.remember(&message) {
                        0 => Event::Message(message),
                        lost => Event::HistoryLost(lost),
                    });
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    // Sends the close frame that answers.
                    let _ = live.socket.flush().now_or_never();
                    if let Some(failure) = frame.as_ref().and_then(refusal_of) {
                        return Err(failure);
                    }
                    let reason = frame.as_ref().map_or("closed without a code".to_owned(), sentence_of_close);
                    self.lose(true, &reason);
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => self.lose(false, &tls::sentence_of(&error)),
                Ok(None) => self.lose(false, "the connection ended"),
                Err(_) if live.pinged.is_none() => {
                    live.pinged = Some(Instant::now()); // the deadline counts from the ping
                    if let Err(error) = live.socket.start_send_unpin(Message::Ping("still there?".into())) {
                        self.lose(false, &tls::sentence_of(&error));
                    }
                }
                Err(_) => self.lose(false, "no answer to a ping"),
            }
        }
    }

    /// Stores the session and the position to resume from. Returns the number of messages that are
    /// lost.
    fn remember(&mut self, message: &ServerMessage) -> u64 {
        match (message, &mut self.resume) {
            (ServerMessage::Welcome(welcome), resume) => *resume = Some(welcome.clone()),
            (ServerMessage::Message(message), Some(resume)) => {
                resume.offset = message.offset;
                if let Some(live) = &mut self.live {
                    live.useful |= message.offset > self.furthest;
                }
                self.furthest = self.furthest.max(message.offset);
            }
            (ServerMessage::Epoch { epoch, kept, offset }, Some(resume)) => {
                let lost = resume.offset.saturating_sub(*kept);
                resume.epoch.clone_from(epoch);
                resume.offset = offset.unwrap_or(resume.offset - lost);
                self.furthest = self.furthest.min(*kept);
                return lost + offset.unwrap_or(*kept).saturating_sub(*kept);
            }
            _ => {}
        }
        0
    }

    /// Gives up the session; `closed` is true if the server sent a close frame.
    fn lose(&mut self, closed: bool, reason: &str) {
        let Some(live) = self.live.take() else { return };
        let alive = live.last_received.duration_since(live.opened);
        let achievement = Achievement { alive, useful: live.useful, closed };
        self.outage.goes_on(achievement, reason.to_owned());
        if !self.outage.is_new {
            self.report(reason);
        }
    }

    /// Connects; repeats failed attempts until patience ends.
    async fn connect(&mut self) -> Result<Welcome, Failure> {
        loop {
            let is_new = std::mem::take(&mut self.outage.is_new);
            let pause = self.outage.pause();
            let rest = self.outage.rest_of(self.address.patience);
            if !is_new && pause >= rest {
                sleep(rest).await;
                let reason = std::mem::take(&mut self.outage.reason);
                return Err(Failure::Unreachable(self.address.server.to_string(), reason));
            }
            sleep(pause).await;
            let rest = self.outage.rest_of(self.address.patience);
            let min = if is_new { MIN_ATTEMPT } else { Duration::ZERO };
            let limit = rest.clamp(min, ATTEMPT_WITHIN);
            let reason = match timeout(limit, self.attempt()).await {
                Ok(Ok(live_and_welcome)) => return Ok(self.resume_with(live_and_welcome)),
                Ok(Err(Attempt::Permanent(failure))) => return Err(failure),
                Ok(Err(Attempt::Temporary(reason))) => reason,
                Err(_) => format!("no answer within {}", rounded(limit)),
            };
            self.report(&reason);
            self.outage.goes_on(Achievement::default(), reason);
        }
    }

    fn resume_with(&mut self, (socket, welcome): (Socket, Welcome)) -> Welcome {
        let now = Instant::now();
        self.live = Some(Live { socket, opened: now, last_received: now, pinged: None, useful: false });
        if self.resume.as_ref().is_some_and(|known| known.epoch != welcome.epoch) {
            self.furthest = 0;
        }
        self.resume = Some(welcome.clone());
        welcome
    }

    /// Makes one attempt; reports it to the user if it takes more than a second.
    async fn attempt(&mut self) -> Result<(Socket, Welcome), Attempt> {
        let request = self.request()?;
        let mut attempt = Box::pin(attempt(request, self.address.trust.clone()));
        match timeout(REPORT_AFTER, &mut attempt).await {
            Ok(ended) => ended,
            Err(_) => {
                self.report("no answer yet");
                attempt.await
            }
        }
    }

    /// Reports to the user, once for each outage, what is tried and for how long.
    fn report(&mut self, reason: &str) {
        let rest = self.outage.rest_of(self.address.patience);
        if self.outage.is_reported || rest.is_zero() {
            return;
        }
        self.outage.is_reported = true;
        eprintln!("worldcast: cannot reach {}: {reason}; trying for {}", self.address.server, rounded(rest));
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
            .map_err(|error| Attempt::Permanent(Failure::Usage(format!("--server: {error}"))))?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("worldcast.v1"));
        if let Some(key) = key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        Ok(request)
    }
}

/// `time` for people, rounded up to seconds.
fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs_f64().ceil() as u64))
}

/// Connects and waits for the welcome.
async fn attempt(request: Request, trust: Option<Trust>) -> Result<(Socket, Welcome), Attempt> {
    let connector = trust.as_ref().map(Trust::connector);
    let stream = connect_to(request.uri()).await.map_err(|error| Attempt::Temporary(error.to_string()))?;
    let mut socket = match client_async_tls_with_config(request, stream, None, connector).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(answer)) if !is_temporary(&answer) => {
            return Err(Attempt::Permanent(refusal(&answer)));
        }
        Err(Error::Http(answer)) => return Err(Attempt::Temporary(sentence_of(&answer))),
        Err(error @ Error::Url(_)) => {
            return Err(Attempt::Permanent(Failure::Usage(format!("--server: {error}"))));
        }
        Err(error) => {
            return Err(match trust.and_then(|trust| trust.distrust(&error)) {
                Some(why) => Attempt::Permanent(Failure::Untrusted(why)),
                None => Attempt::Temporary(tls::sentence_of(&error)),
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
                let _ = socket.flush().now_or_never(); // sends the close frame that answers
                let Some(frame) = frame else {
                    return Err(Attempt::Temporary("closed without a code".to_owned()));
                };
                return Err(match refusal_of(&frame) {
                    Some(failure) => Attempt::Permanent(failure),
                    None => Attempt::Temporary(sentence_of_close(&frame)),
                });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Attempt::Temporary(escaped(&error.to_string(), &[]))),
            None => return Err(Attempt::Temporary("the connection ended".to_owned())),
        }
    }
}

/// Connects to the host of `uri`. Names that end with `.localhost` are this machine (RFC 6761
/// §6.3), also where its resolver does not know them.
async fn connect_to(uri: &Uri) -> io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let host = if name.ends_with(".localhost") { "localhost" } else { host };
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    TcpStream::connect((host, port)).await
}

/// Returns the next frame, and writes queued requests as far as the kernel accepts them.
/// Cancel-safe.
async fn next_frame(socket: &mut Socket) -> Option<Result<Message, Error>> {
    poll_fn(|context| {
        if let Poll::Ready(Err(error)) = socket.poll_flush_unpin(context) {
            return Poll::Ready(Some(Err(error)));
        }
        socket.poll_next_unpin(context)
    })
    .await
}

/// Returns the failure of a close frame whose code means that another attempt would be refused too.
fn refusal_of(frame: &CloseFrame) -> Option<Failure> {
    let is_permanent = !may_reconnect_after(frame.code.into());
    is_permanent.then(|| match frame.reason.as_str() {
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

/// Returns the sentence in the body of a response, or its status.
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
