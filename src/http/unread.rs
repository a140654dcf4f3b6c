//! The body of a request, kept until the answer has gone out.
//!
//! actix-http reads a chunked body that nobody holds any more to its end, for as long as that takes; of one that is still
//! held it takes leave, within `session.close_within`.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest},
    web::Bytes,
};
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Shared by the handler, which may read it, and the answer, which keeps it.
#[derive(Clone)]
pub struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Takes the body out of a request, for whoever handles it.
    pub fn of(request: &mut ServiceRequest) -> Self {
        let unread = Self(Rc::new(RefCell::new(request.take_payload())));
        request.request().extensions_mut().insert(unread.clone());
        unread
    }

    /// The body of a request that passed the guard.
    pub fn found(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    pub fn payload(&self) -> &RefCell<Payload> {
        &self.0
    }
}

/// The answer, which keeps something until it has gone out.
pub fn kept_by<T: Unpin + 'static>(kept: T, answer: HttpResponse) -> HttpResponse {
    answer.map_body(|_, body| BoxBody::new(Keeping { body, _kept: kept }))
}

/// The body of an answer.
struct Keeping<T> {
    body: BoxBody,
    _kept: T,
}

impl<T: Unpin> MessageBody for Keeping<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
