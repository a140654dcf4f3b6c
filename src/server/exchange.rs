//! HTTP/1 on one connection: a request is read, and its response written, before the next.
//!
//! There is no reading ahead: of the bytes that a client sends after a request, one buffer waits
//! here and the rest in the kernel.

use super::head::{MAX_HEADERS, Search};
use crate::{
    clock::{self, timeout},
    connection::Deadlines,
    http::Refusal,
    policy::SessionPolicy,
    transport::Transport,
};
use actix_http::{
    BoxedPayloadStream, ConnectionType, Method, Payload, Request, Response, ServiceConfig, Version,
    body::{BodySize, BoxBody, MessageBody},
    error::{ParseError, PayloadError},
    h1::{Codec, Message, MessageType},
    header::{HeaderName, HeaderValue},
};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::task::yield_now;
use tokio_util::codec::{Decoder, Encoder};

/// The size of a read in bytes; most requests are shorter.
const READ_SIZE: usize = 1 << 10;

/// The chunks of a body after which other connections of the thread have their turn; a chunk can be
/// one byte.
const CHUNKS_AT_ONCE: u8 = 16;

/// Bytes of a response that are written together: many libraries show only the part that arrives
/// with the head.
const WRITE_SIZE: usize = 8 << 10;

/// A connection between a client and the HTTP handlers.
pub struct Exchange {
    input: Rc<Input>,
    /// The version of the last request.
    version: Version,
    /// The last request was a HEAD.
    is_head: bool,
    /// A response was written, and the connection remains open for another request.
    persisted: bool,
    /// The last request arrived after the server had begun to wait for it.
    waited: bool,
}

/// The receiving side of a connection, shared with the body of the request that is being handled.
pub struct Input {
    transport: Transport,
    /// Bytes received and not decoded yet.
    received: RefCell<BytesMut>,
    codec: RefCell<Codec>,
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    expects_continue: Cell<bool>,
}

/// The outcome of waiting for a request.
pub enum Received {
    /// A request; its body is still to be read.
    Request(Request),
    /// The head is no valid request, or breaks a limit.
    Refused(Refusal),
    /// The client has sent FIN, or stayed idle.
    End,
}

impl Exchange {
    /// A connection on `transport` without a request.
    pub fn new(transport: Transport, config: ServiceConfig) -> Self {
        let codec = RefCell::new(Codec::new(config));
        let input =
            Input { transport, received: RefCell::default(), codec, expects_continue: Cell::new(false) };
        Self {
            input: Rc::new(input),
            version: Version::HTTP_11,
            is_head: false,
            persisted: false,
            waited: false,
        }
    }

    /// Returns true between two requests: a response was written, and no byte was received after
    /// it.
    pub fn is_idle(&self) -> bool {
        self.persisted && self.input.received.borrow().is_empty()
    }

    /// Returns true if the last request had been received before the response to the one before it
    /// was written (pipelining).
    pub fn is_pipelined(&self) -> bool {
        self.persisted && !self.waited
    }

    /// Waits for the next request, whose head must be complete within `session.handshake_within`.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn next(&mut self, session: &SessionPolicy) -> io::Result<Received> {
        match timeout(session.handshake_within, self.read_head(session.max_head)).await {
            Ok(next) => next,
            Err(_) if self.is_idle() => Ok(Received::End),
            Err(_) => Ok(Received::Refused(Refusal::HeadTooSlow)),
        }
    }

    /// Returns a copy of the bytes received and not decoded, such as a refused head, as far as it
    /// arrived.
    pub fn received(&self) -> Bytes {
        Bytes::copy_from_slice(&self.input.received.borrow())
    }

    async fn read_head(&mut self, most: usize) -> io::Result<Received> {
        let mut search = Search::default();
        self.waited = false;
        loop {
            let found = search.find(&mut self.input.received.borrow_mut(), most);
            match found {
                Ok(Some(head)) => {
                    head.ignore_foreign_upgrades(&mut self.input.received.borrow_mut());
                    return Ok(self.decode());
                }
                Err(refusal) => return Ok(Received::Refused(refusal)),
                Ok(None) => {}
            }
            let read = poll_fn(|cx| {
                let read = self.input.poll_read(cx);
                self.waited |= read.is_pending();
                read
            });
            if read.await? == 0 {
                return Ok(Received::End);
            }
        }
    }

    fn decode(&mut self) -> Received {
        let decoded = self.input.codec.borrow_mut().decode(&mut self.input.received.borrow_mut());
        match decoded {
            Ok(Some(Message::Item(request))) => Received::Request(self.with_body(request)),
            Ok(_) => Received::Refused(Refusal::Request("the head has no end".to_owned())),
            Err(ParseError::TooLarge) => Received::Refused(Refusal::TooManyHeaders(MAX_HEADERS)),
            Err(error) => Received::Refused(Refusal::Request(error.to_string())),
        }
    }

    fn with_body(&mut self, mut request: Request) -> Request {
        let head = request.head_mut();
        (self.version, self.is_head) = (head.version, head.method == Method::HEAD);
        self.input.expects_continue.set(head.expect());
        if self.input.message_type() != MessageType::Payload {
            return request;
        }
        let body: BoxedPayloadStream = Box::pin(RequestBody { input: self.input.clone(), chunks: 0 });
        request.replace_payload(Payload::Stream { payload: body }).0
    }

    /// Writes the head that admits a client; [`Exchange::into_parts`] then passes the transport to
    /// the session.
    ///
    /// # Errors
    /// Those of the socket, and `TimedOut` if the client reads too slowly.
    pub async fn admit(
        &mut self,
        mut response: Response<BoxBody>,
        session: &SessionPolicy,
    ) -> io::Result<()> {
        if !response.head().upgrade() {
            response.head_mut().set_connection_type(ConnectionType::Close); // the session ends with it
        }
        let mut bytes = self.encode_head(response.drop_body(), BodySize::Stream)?;
        Writer::new(&self.input, session).write(&mut bytes).await
    }

    /// Returns the transport, and the bytes received after the last request.
    ///
    /// # Errors
    /// Fails if the body of the request is still in use, which no handler of a session keeps.
    pub fn into_parts(self) -> io::Result<(Transport, BytesMut)> {
        let input =
            Rc::into_inner(self.input).ok_or_else(|| to_io_error("the body of the request is still read"))?;
        let received = input.received.into_inner();
        Ok((input.transport, BytesMut::from(&received[..]))) // the buffer itself is larger and would stay
    }

    /// Writes `response`. The connection remains open for another request if both sides allow it
    /// and the request was read to its end; otherwise it is closed. Returns true if it remains
    /// open.
    ///
    /// # Errors
    /// Those of the socket and of the body, and `TimedOut` if the client reads too slowly. The
    /// connection must then be dropped, which resets it.
    pub async fn respond(
        &mut self,
        response: Response<BoxBody>,
        may_persist: bool,
        session: &SessionPolicy,
    ) -> io::Result<bool> {
        let persists = may_persist && self.can_persist(response.body().size());
        match self.write(response, persists, session).await {
            Ok(()) if persists => self.persisted = true,
            Ok(()) => {
                let _ = timeout(session.deadlines.close_within, self.close()).await; // then the drop closes it
            }
            Err(error) => {
                self.input.transport.reset_on_drop();
                return Err(error);
            }
        }
        Ok(persists)
    }

    fn can_persist(&self, size: BodySize) -> bool {
        self.input.codec.borrow().keep_alive()
            && self.input.message_type() == MessageType::None
            && (size != BodySize::Stream || self.can_chunk())
    }

    /// Returns true if the client understands chunks: HTTP/1.0 does not (RFC 9112 §6.1), and
    /// actix-http sends none in response to an upgrade.
    fn can_chunk(&self) -> bool {
        self.version >= Version::HTTP_11 && self.input.message_type() != MessageType::Stream
    }

    /// Writes a response. It keeps only the bytes that are written together, and the body itself,
    /// which may hold permits, to the end.
    async fn write(
        &self,
        mut response: Response<BoxBody>,
        persists: bool,
        session: &SessionPolicy,
    ) -> io::Result<()> {
        response.head_mut().set_connection_type(match persists {
            true => ConnectionType::KeepAlive,
            false => ConnectionType::Close,
        });
        if let Some(hint) = keep_alive(session.handshake_within).filter(|_| persists) {
            response.headers_mut().insert(HeaderName::from_static("keep-alive"), hint);
        }
        let (head, body) = response.into_parts();
        let (mut bytes, mut writer) =
            (self.encode_head(head, body.size())?, Writer::new(&self.input, session));
        if self.is_head {
            return writer.write(&mut bytes).await;
        }
        let mut body = pin!(body);
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            self.encode(Message::Chunk(Some(chunk.map_err(to_io_error)?)), &mut bytes)?;
            if bytes.len() >= WRITE_SIZE {
                writer.write(&mut bytes).await?;
                yield_now().await; // a client that reads fast does not hold the thread
            }
        }
        self.encode(Message::Chunk(None), &mut bytes)?;
        writer.write(&mut bytes).await
    }

    fn encode_head(&self, mut head: Response<()>, size: BodySize) -> io::Result<BytesMut> {
        let mut bytes = BytesMut::new();
        head.head_mut().no_chunking(size == BodySize::Stream && !self.can_chunk());
        self.encode(Message::Item((head, size)), &mut bytes)?;
        Ok(bytes)
    }

    fn encode(&self, part: Message<(Response<()>, BodySize)>, bytes: &mut BytesMut) -> io::Result<()> {
        self.input.codec.borrow_mut().encode(part, bytes)
    }

    /// Half-closes and discards the input until the client closes too: a socket that is dropped
    /// with unread input resets the connection, and the client might never read the response.
    async fn close(&self) -> io::Result<()> {
        self.input.transport.half_close();
        let mut discarded = [0; 2 << 10];
        while poll_fn(|cx| self.input.transport.poll_read(cx, &mut discarded)).await? > 0 {
            yield_now().await;
        }
        Ok(())
    }
}

impl Input {
    /// Reads once, after the bytes received before; ready with 0 at the end of the stream.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut received = self.received.borrow_mut();
        received.reserve(READ_SIZE);
        self.transport.poll_read_buf(cx, &mut received)
    }

    /// Returns the kind of the current request: with a body that has not ended, without one, or an
    /// upgrade.
    fn message_type(&self) -> MessageType {
        self.codec.borrow().message_type()
    }
}

/// The body of a request, read on demand.
struct RequestBody {
    input: Rc<Input>,
    /// The chunks since the body has yielded to other connections.
    chunks: u8,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { input, chunks } = &mut *self;
        if *chunks >= CHUNKS_AT_ONCE {
            *chunks = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *chunks += 1;
        while input.message_type() == MessageType::Payload {
            let decoded = input.codec.borrow_mut().decode(&mut input.received.borrow_mut());
            match decoded {
                Ok(Some(Message::Chunk(Some(bytes)))) => return Poll::Ready(Some(Ok(bytes))),
                Ok(Some(_)) => return Poll::Ready(None),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Some(Err(PayloadError::EncodingCorrupted))),
            }
            if input.expects_continue.replace(false) {
                // Without this response a client sends its body after a while (RFC 9110 §10.1.1).
                let _ = input.transport.offer(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            if ready!(input.poll_read(cx))? == 0 {
                return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
            }
        }
        Poll::Ready(None)
    }
}

/// A writer to a client that must read a response at [`SessionPolicy::min_response_rate`] on
/// average.
struct Writer<'a> {
    transport: &'a Transport,
    session: &'a SessionPolicy,
    began: Instant,
    /// Bytes of the response that the kernel has accepted.
    written: usize,
}

impl<'a> Writer<'a> {
    fn new(input: &'a Input, session: &'a SessionPolicy) -> Self {
        Self { transport: &input.transport, session, began: clock::now(), written: 0 }
    }

    /// Writes all of `bytes`, and removes them.
    async fn write(&mut self, bytes: &mut BytesMut) -> io::Result<()> {
        while !bytes.is_empty() {
            timeout(self.patience(), poll_fn(|cx| self.transport.poll_writable(cx))).await??;
            let written = self.transport.offer_queued(&[IoSlice::new(bytes)])?;
            bytes.advance(written);
            self.written += written;
        }
        Ok(())
    }

    /// Returns the time until the client counts as too slow: without progress, or on average.
    fn patience(&self) -> Duration {
        let SessionPolicy { deadlines: Deadlines { stalled_write, .. }, min_response_rate, .. } =
            self.session;
        let earned = match *min_response_rate {
            0 => return *stalled_write,
            rate => Duration::from_secs_f64(self.written as f64 / rate as f64),
        };
        (*stalled_write + earned)
            .saturating_sub(clock::now().saturating_duration_since(self.began))
            .min(*stalled_write)
    }
}

/// Returns the `Keep-Alive` header, with the time in whole seconds for which an idle connection
/// stays open, so that a client does not use it at that moment.
fn keep_alive(limit: Duration) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("timeout={}", limit.as_secs())).ok().filter(|_| limit.as_secs() > 0)
}

/// Converts an error to text: these errors cannot leave their thread, which an `io::Error` may.
pub fn to_io_error(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}
