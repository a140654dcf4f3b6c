//! Listening over HTTP: Server-Sent Events, judged here, carried out by the door of the server.

use super::{
    Context, guard::check_origin, recall::recall, refusal::Refusal, websocket::asks_for_upgrade,
    wishes::Wishes,
};
use crate::{
    protocol::{Form, Protocol},
    session::{Newcomer, Terms},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};

/// `GET /rooms/{room}/events`: everything that is said in the room, behind `Last-Event-ID` if there is one.
pub async fn listen(
    request: HttpRequest,
    context: web::Data<Context>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    if asks_for_upgrade(&request) {
        return Err(Refusal::Handshake("events come over plain HTTP"));
    }
    let room = room.parse()?;
    check_origin(&request)?;
    let recall = recall(&request, &Wishes::of(&request)?)?;
    let mut response = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no")) // nginx would keep events until there are many
        .finish();
    if *request.method() == Method::GET {
        let rules = context.settings.rules_of(&room);
        let (peer, place) = (request.peer_addr(), context.place_for(&request)?);
        let form = Form { protocol: Protocol::Events, window: None };
        response.extensions_mut().insert(Newcomer {
            terms: Terms { place, room, echo: rules.echo, may_publish: false, form, peer },
            recall,
            resumes: None,
            max_message: rules.max_message,
            messages_per_second: rules.messages_per_second,
        });
    }
    Ok(response)
}
