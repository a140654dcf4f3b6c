//! The input stream of one session: drives its socket and yields whole messages.
//!
//! The socket is read only after all bytes read before are decoded. A message and its permit are
//! one item: without the permit the server stops reading (backpressure) instead of growing.

use super::{closing_handshake::poll_closed, permits::Permits};
use crate::{
    connection::{Connection, Pause, Phase},
    ids::RoomSlot,
    limits::{Permit, RateLimit},
    metrics::PauseLabels,
    relay::WorkerContext,
    wire::{CloseFrame, Decoder, Message, Payload, WireError},
};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::time::{Sleep, sleep};

/// An item of a session's input: a message or a control frame that needs an action.
pub enum Incoming {
    /// A message of a member.
    Message {
        /// The room of the member.
        room: RoomSlot,
        /// The decoded message.
        payload: Payload,
        /// The capacity that the message occupies until every relay has delivered it.
        permit: Permit,
    },
    /// A ping, with the bytes that the pong repeats.
    Ping(Bytes),
    /// A close frame; `None` if its payload is empty.
    Close(Option<CloseFrame>),
}

/// A stream of the messages that one client sends; polling it also flushes the outbox.
pub struct SocketDriver {
    connection: Rc<Connection>,
    worker: Rc<WorkerContext>,
    decoder: Decoder,
    rate_limit: Option<Box<RateLimit>>,
    /// The end of the current pause; `None` while the client keeps to its rate.
    paused_until: Option<Pin<Box<Sleep>>>,
    /// Bytes received after a complete message and not decoded yet; without memory while empty.
    unread: BytesMut,
    /// A decoded message that waits for its permit.
    waiting: Option<Payload>,
    permits: Permits,
}

impl SocketDriver {
    /// Creates the driver; `unread` are the bytes received after the head of the request.
    pub fn new(
        connection: Rc<Connection>,
        worker: Rc<WorkerContext>,
        decoder: Decoder,
        rate_limit: Option<RateLimit>,
        permits: Permits,
        unread: BytesMut,
    ) -> Self {
        Self {
            connection,
            worker,
            decoder,
            rate_limit: rate_limit.map(Box::new),
            paused_until: None,
            unread,
            waiting: None,
            permits,
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Incoming, WireError>>> {
        loop {
            if let Some(payload) = self.waiting.take() {
                return self.poll_permit(cx, payload).map(|incoming| Some(Ok(incoming)));
            }
            ready!(self.poll_rate_limit(cx));
            match ready!(self.poll_message(cx)?) {
                Some(Message::Text(text)) => self.waiting = Some(Payload::Text(text)),
                Some(Message::Binary(bytes)) => self.waiting = Some(Payload::Binary(bytes)),
                Some(Message::Ping(payload)) => {
                    self.spend(payload.len()); // it is answered, and therefore counts as a message does
                    return Poll::Ready(Some(Ok(Incoming::Ping(payload))));
                }
                Some(Message::Close(frame)) => return Poll::Ready(Some(Ok(Incoming::Close(frame)))),
                Some(Message::Pong(_)) => {} // its arrival is recorded where the socket is read
                None => return Poll::Ready(None),
            }
        }
    }

    /// Ready with the message and its permit; until then the message waits here.
    fn poll_permit(&mut self, cx: &mut Context<'_>, payload: Payload) -> Poll<Incoming> {
        let Self { connection, worker, permits, .. } = self;
        let bytes = payload.as_bytes().len();
        let acquired = match connection.membership() {
            Some(member) => {
                permits.acquire(cx, &worker.shared, member, bytes).map(|permit| (member.room, permit))
            }
            None => Err(Pause::Admission), // the admission wakes the stream
        };
        match acquired {
            Ok((room, permit)) => {
                self.connection.liveness.resumed();
                self.spend(bytes);
                Poll::Ready(Incoming::Message { room, payload, permit })
            }
            Err(pause) => {
                self.pause(pause);
                self.waiting = Some(payload);
                Poll::Pending
            }
        }
    }

    /// Counts a message of `bytes` against the rate limit.
    fn spend(&mut self, bytes: usize) {
        let wait = self.rate_limit.as_mut().map(|rate_limit| rate_limit.spend(bytes, Instant::now()));
        self.paused_until = wait.filter(|wait| !wait.is_zero()).map(|wait| Box::pin(sleep(wait)));
    }

    /// Ready when the rate limit allows the next message; until then nothing is read, and TCP slows
    /// the client down (backpressure).
    fn poll_rate_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(paused_until) = &mut self.paused_until else { return Poll::Ready(()) };
        if paused_until.as_mut().poll(cx).is_pending() {
            self.pause(Pause::Pace);
            return Poll::Pending;
        }
        self.paused_until = None;
        self.connection.liveness.resumed();
        Poll::Ready(())
    }

    fn pause(&self, pause: Pause) {
        if self.connection.liveness.pause(pause) {
            self.worker.shared.metrics.pauses.get_or_create(&PauseLabels { reason: pause.name() }).inc();
        }
    }

    /// Decodes the next message, and reads until one is complete. Ready with `None` at the end of
    /// the input.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WireError>>> {
        let mut decoded = self.decode();
        loop {
            if let Some(message) = decoded.transpose() {
                return Poll::Ready(Some(message));
            }
            decoded = match ready!(self.poll_read(cx)) {
                Some(decoded) => decoded,
                None => return Poll::Ready(None),
            };
        }
    }

    fn decode(&mut self) -> Result<Option<Message>, WireError> {
        let mut rest = &self.unread[..];
        let message = self.decoder.decode(&mut rest, &mut self.worker.inflater.borrow_mut());
        let taken = self.unread.len() - rest.len();
        self.unread.advance(taken);
        if self.unread.is_empty() {
            self.unread = BytesMut::new(); // an idle session holds no buffer
        }
        message
    }

    /// Reads once, and decodes the first message without a copy: mostly no bytes follow that would
    /// have to be kept.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Message>, WireError>>> {
        let Self { connection, worker, decoder, unread, .. } = self;
        let mut buffer = worker.read_buffer.borrow_mut();
        let Ok(length @ 1..) = ready!(connection.poll_read(cx, &mut buffer)) else {
            return Poll::Ready(None);
        };
        let mut bytes = &buffer[..length];
        let message = decoder.decode(&mut bytes, &mut worker.inflater.borrow_mut());
        unread.extend_from_slice(bytes);
        Poll::Ready(Some(message))
    }
}

impl Stream for SocketDriver {
    type Item = Result<Incoming, WireError>;

    /// Ends when the connection is gone or the peer has closed it.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.register_waker(cx);
        if self.connection.phase() != Phase::Open && self.waiting.take().is_some() {
            self.permits.cancel();
        }
        match self.connection.phase() {
            Phase::Gone => Poll::Ready(None),
            Phase::Closing { .. } => poll_closed(&self.connection, &self.worker, cx).map(|()| None),
            phase => match self.connection.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(None),
                _ if phase == Phase::Finishing => Poll::Pending, // the hub's `Finished` closes the connection
                _ => self.poll_incoming(cx),
            },
        }
    }
}
