//! The input stream of one session: drives its socket and yields whole messages.
//!
//! The socket is read only when everything read before was taken in, and a message is yielded only
//! when the server has room for it: a full server stops reading, it does not grow.

use super::{budget::Budget, farewell::Farewell, pace::Pace, reading::poll_read};
use crate::{
    metrics::{Metrics, PauseLabels},
    outbox::{Outbox, Pause, Phase},
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

pub struct Intake {
    outbox: Rc<Outbox>,
    budget: Rc<Budget>,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    pace: Option<Box<Pace>>,
    /// Until the client may speak again, when it was too fast.
    rest: Option<Pin<Box<Sleep>>>,
    /// Read behind a message, but not yet decoded; empty at rest.
    unread: BytesMut,
    /// Decoded, waits for room in the server.
    waiting: Option<Message>,
    farewell: Farewell,
}

impl Intake {
    /// `unread` is what came behind the request's head.
    pub fn new(
        outbox: Rc<Outbox>,
        budget: Rc<Budget>,
        metrics: Arc<Metrics>,
        decoder: Decoder,
        pace: Option<Pace>,
        unread: BytesMut,
    ) -> Self {
        let pace = pace.map(Box::new);
        Self {
            outbox,
            budget,
            metrics,
            decoder,
            pace,
            rest: None,
            unread,
            waiting: None,
            farewell: Farewell::default(),
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WireError>>> {
        loop {
            if let Some(message) = self.waiting.take() {
                if self.poll_pass(cx, &message).is_pending() {
                    self.waiting = Some(message);
                    return Poll::Pending;
                }
                return Poll::Ready(Some(Ok(message)));
            }
            ready!(self.poll_rest(cx));
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

    /// Ready when the server and the room have room for `message`. Control frames need none; a ping, which is
    /// answered, is paid for like a message.
    fn poll_pass(&mut self, cx: &mut Context<'_>, message: &Message) -> Poll<()> {
        let (bytes, is_said) = match message {
            Message::Text(text) => (text.len(), true),
            Message::Binary(bytes) => (bytes.len(), true),
            Message::Ping(payload) => (payload.len(), false),
            _ => return Poll::Ready(()),
        };
        if is_said && let Err(pause) = self.budget.reserve(cx, bytes) {
            self.pause(pause);
            return Poll::Pending;
        }
        self.outbox.pulse.resumed();
        let wait = self.pace.as_mut().map(|pace| pace.spend(bytes, Instant::now()));
        self.rest = wait.filter(|wait| !wait.is_zero()).map(|wait| Box::pin(sleep(wait)));
        Poll::Ready(())
    }

    /// Ready when the client may speak; until then nothing is read, and TCP makes it wait.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(()) };
        if rest.as_mut().poll(cx).is_pending() {
            self.pause(Pause::Pace);
            return Poll::Pending;
        }
        self.rest = None;
        self.outbox.pulse.resumed();
        Poll::Ready(())
    }

    fn pause(&self, pause: Pause) {
        if self.outbox.pulse.pause(pause) {
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

    /// Reads once, and decodes the first message where it lies: mostly nothing follows that would have to be kept.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Message>, WireError>>> {
        let Self { outbox, decoder, unread, .. } = self;
        let mut message = Ok(None);
        let read = poll_read(outbox, cx, |mut bytes| {
            message = decoder.decode(&mut bytes);
            unread.extend_from_slice(bytes);
        });
        read.map(|read| matches!(read, Ok(1..)).then_some(message))
    }
}

impl Stream for Intake {
    type Item = Result<Message, WireError>;

    /// Ends when the connection is of no use any more.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outbox.remember(cx);
        if self.outbox.phase() != Phase::Open && self.waiting.take().is_some() {
            self.budget.give_up();
        }
        match self.outbox.phase() {
            Phase::Gone => Poll::Ready(None),
            Phase::Closing { .. } => {
                let Self { outbox, farewell, .. } = &mut *self;
                farewell.poll(outbox, cx).map(|()| None)
            }
            phase => match self.outbox.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(None),
                _ if phase == Phase::Departing => Poll::Pending, // until the outbox is ended
                _ => self.poll_message(cx),
            },
        }
    }
}
