//! The body of a response that holds something until it is sent: a permit, for instance.

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// `response`, which drops `held` with its body.
pub fn hold_until_sent<T: Unpin + 'static>(held: T, response: HttpResponse) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(HeldBody { body, _held: held }))
}

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
