//! The input stream of one session: drives its socket and yields whole messages.
//!
//! The socket is read only after all bytes read before are decoded, and a message is yielded only
//! with its permits: without them the server stops reading (backpressure) instead of growing.

use super::{closing_handshake::ClosingHandshake, permits::Permits};
use crate::{
    connection::{Connection, Pause, Phase},
    limits::RateLimit,
    metrics::{Metrics, PauseLabels},
    wire::{Decoder, Message, WireError},
};
use bytes::{Buf, BytesMut};
use futures_util::Stream;
use std::{
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::time::{Sleep, sleep};

/// A stream of the messages that one client sends; polling it also flushes the outbox.
pub struct SocketDriver {
    connection: Rc<Connection>,
    permits: Rc<Permits>,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    rate_limit: Option<Box<RateLimit>>,
    /// The end of the current pause; `None` while the client keeps to its rate.
    paused_until: Option<Pin<Box<Sleep>>>,
    /// Bytes received after a complete message and not decoded yet; without memory while empty.
    unread: BytesMut,
    /// A decoded message that waits for its permits.
    waiting: Option<Message>,
    closing: ClosingHandshake,
}

impl SocketDriver {
    /// Creates the driver; `unread` are the bytes received after the head of the request.
    pub fn new(
        connection: Rc<Connection>,
        permits: Rc<Permits>,
        metrics: Arc<Metrics>,
        decoder: Decoder,
        rate_limit: Option<RateLimit>,
        unread: BytesMut,
    ) -> Self {
        let rate_limit = rate_limit.map(Box::new);
        Self {
            connection,
            permits,
            metrics,
            decoder,
            rate_limit,
            paused_until: None,
            unread,
            waiting: None,
            closing: ClosingHandshake::default(),
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WireError>>> {
        loop {
            if let Some(message) = self.waiting.take() {
                if self.poll_permits(cx, &message).is_pending() {
                    self.waiting = Some(message);
                    return Poll::Pending;
                }
                return Poll::Ready(Some(Ok(message)));
            }
            ready!(self.poll_rate_limit(cx));
            match self.decode() {
                Ok(Some(message)) => self.waiting = Some(message),
                Ok(None) => match ready!(self.poll_read(cx)) {
                    Some(Ok(message)) => self.waiting = message,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Ready when the permits for `message` are reserved. Control frames need none; a ping is
    /// answered and therefore counts against the rate limit, as a message does.
    fn poll_permits(&mut self, cx: &mut Context<'_>, message: &Message) -> Poll<()> {
        let (bytes, is_data) = match message {
            Message::Text(text) => (text.len(), true),
            Message::Binary(bytes) => (bytes.len(), true),
            Message::Ping(payload) => (payload.len(), false),
            _ => return Poll::Ready(()),
        };
        if is_data && let Err(pause) = self.permits.reserve(cx, bytes) {
            self.pause(pause);
            return Poll::Pending;
        }
        self.connection.liveness.resumed();
        let wait = self.rate_limit.as_mut().map(|rate_limit| rate_limit.spend(bytes, Instant::now()));
        self.paused_until = wait.filter(|wait| !wait.is_zero()).map(|wait| Box::pin(sleep(wait)));
        Poll::Ready(())
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
            self.metrics.pauses.get_or_create(&PauseLabels { reason: pause.name() }).inc();
        }
    }

    fn decode(&mut self) -> Result<Option<Message>, WireError> {
        let mut rest = &self.unread[..];
        let message = self.decoder.decode(&mut rest);
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
        let Self { connection, decoder, unread, .. } = self;
        let mut message = Ok(None);
        let read = connection.poll_read(cx, |mut bytes| {
            message = decoder.decode(&mut bytes);
            unread.extend_from_slice(bytes);
        });
        read.map(|read| matches!(read, Ok(1..)).then_some(message))
    }
}

impl Stream for SocketDriver {
    type Item = Result<Message, WireError>;

    /// Ends when the connection is gone or the peer has closed it.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.register_waker(cx);
        if self.connection.phase() != Phase::Open && self.waiting.take().is_some() {
            self.permits.cancel();
        }
        match self.connection.phase() {
            Phase::Gone => Poll::Ready(None),
            Phase::Closing { .. } => {
                let Self { connection, closing, .. } = &mut *self;
                closing.poll(connection, cx).map(|()| None)
            }
            phase => match self.connection.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(None),
                _ if phase == Phase::Finishing => Poll::Pending, // the hub's `Finished` closes the connection
                _ => self.poll_message(cx),
            },
        }
    }
}
