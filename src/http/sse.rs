//! Server-Sent Events: the request is judged here; its session will own the socket.

use super::{
    AppState,
    access::rights::{Purpose, rights},
    handshake::asks_for_upgrade,
    query::{Query, history_request},
    refusal::Refusal,
};
use crate::{
    protocol::{Encoding, Framing, Protocol},
    session::{Handshake, SessionOptions},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, Version, header},
    web,
};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;

/// Handles `GET /rooms/{room}/events`: all messages of the room, after `Last-Event-ID` if there is
/// one.
///
/// # Errors
/// The [`Refusal`] of the first rule that the request violates.
pub async fn listen(
    request: HttpRequest,
    state: web::Data<AppState>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    if asks_for_upgrade(&request) {
        return Err(Refusal::Handshake("events come over plain HTTP"));
    }
    let room = room.parse()?;
    let rights = rights(&request, Purpose::Listen)?;
    let history = history_request(&request, &Query::of(&request)?)?;
    let mut response = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no")) // nginx would keep events until there are many
        .streaming(stream::empty::<Result<Bytes, Infallible>>()); // the session sends the body
    if *request.method() == Method::GET {
        let policy = state.shared.policy.load().rooms.of(&room);
        let (peer, slot) = (request.peer_addr(), state.connection_slot(&request)?);
        let framing = if request.version() < Version::HTTP_11 { Framing::Close } else { Framing::Chunked };
        let encoding = Encoding { protocol: Protocol::Events(framing), window: None };
        response.extensions_mut().insert(Handshake {
            options: SessionOptions { slot, room, echo: policy.echo, rights, encoding, peer },
            history,
            resumes: None,
            max_message: policy.max_message,
            messages_per_second: policy.messages_per_second,
        });
    }
    Ok(response)
}
