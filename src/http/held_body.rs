//! The body of a response that holds a value until it is sent, such as a permit.

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Returns `response` with a body that drops `held` at its end.
pub fn hold_until_sent<T: Unpin + 'static>(held: T, response: HttpResponse) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(HeldBody { body, _held: held }))
}

/// A body that keeps a value alive.
struct HeldBody<T> {
    body: BoxBody,
    _held: T,
}

impl<T: Unpin> MessageBody for HeldBody<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
