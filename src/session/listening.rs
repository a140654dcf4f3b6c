//! A session that only listens: what it hears is the body of an answer.

use crate::{
    outbox::{CloseReason, Outbox, Phase},
    wire::{Message, WireError},
};
use actix_http::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The body; polled while the client reads.
pub struct Heard(pub Rc<Outbox>);

impl MessageBody for Heard {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_take(cx).map(|taken| taken.map(Ok))
    }
}

impl Drop for Heard {
    /// Whether all was taken or the client is gone: nothing more can be said.
    fn drop(&mut self) {
        self.0.abort(CloseReason::ConnectionLost);
    }
}

/// The input stream of a client that says nothing: ends when the session does.
pub struct Silence(pub Rc<Outbox>);

impl Stream for Silence {
    type Item = Result<Message, WireError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.remember(cx);
        match self.0.phase() {
            Phase::Gone => Poll::Ready(None),
            _ => Poll::Pending,
        }
    }
}
