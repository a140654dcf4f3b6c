//! What is known about rooms, and what was said in them.

use super::{Context, history::Question, recall::history_request, refusal::Refusal, wishes::Wishes};
use crate::{
    config::RoomName,
    hub::{Describe, List},
    room::HistoryRequest,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::Serialize;

/// The most rooms that are listed at once.
const MOST_ROOMS: usize = 1000;

/// `GET /rooms/{room}`: how many clients are in it, and what it remembers; `GET /rooms/` is about the default room, and
/// names it.
pub async fn describe(context: web::Data<Context>, name: web::Path<String>) -> Result<HttpResponse, Refusal> {
    let room = match name.as_str() {
        "" => context.settings.rooms.default.clone(),
        name => name.parse()?,
    };
    let facts = context.hub.send(Describe { room }).await.map_err(|_| Refusal::Stopping)?;
    Ok(fresh(&facts))
}

/// `GET /rooms?after=&limit=`: all rooms, by name; for whoever has a key.
pub async fn list(request: HttpRequest, context: web::Data<Context>) -> Result<HttpResponse, Refusal> {
    context.keys.check(&request)?;
    let wishes = Wishes::of(&request)?;
    let after = wishes.get("after", "the name of a room")?;
    let limit = wishes.get("limit", "a number from 1 to 1000")?.unwrap_or(100);
    if !(1..=MOST_ROOMS).contains(&limit) {
        return Err(Refusal::Query("limit must be a number from 1 to 1000".to_owned()));
    }
    let rooms = context.hub.send(List { after, limit }).await.map_err(|_| Refusal::Stopping)?;
    Ok(fresh(&rooms))
}

/// `GET /rooms/{room}/messages?since=&last=`: what was said since, or last, or all that is remembered.
pub async fn messages(
    request: HttpRequest,
    context: web::Data<Context>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let room: RoomName = room.parse()?;
    let wishes = Wishes::of(&request)?;
    let HistoryRequest { since, last } = history_request(&request, &wishes)?;
    let last = if since.is_none() && !wishes.has("last") { usize::MAX } else { last };
    let question = Question {
        history: HistoryRequest { since, last },
        source: context.source(&request),
        is_head: *request.method() == Method::HEAD,
        room,
    };
    context.history(question).await
}

/// An answer that is true now.
fn fresh(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
