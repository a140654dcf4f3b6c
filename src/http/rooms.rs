//! What is known about rooms, and what was said in them.

use super::{AppState, history::HistoryQuery, query::Query, recall::history_request, refusal::Refusal};
use crate::{
    config::RoomName,
    history::HistoryRequest,
    hub::{Describe, List},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde::Serialize;

/// The most rooms that are listed at once.
const MAX_ROOMS: usize = 1000;

/// `GET /rooms/{room}`: how many clients are in it, and what it remembers; `GET /rooms/` is about the default room, and
/// names it.
pub async fn describe(state: web::Data<AppState>, name: web::Path<String>) -> Result<HttpResponse, Refusal> {
    let room = match name.as_str() {
        "" => state.shared.settings.rooms.default.clone(),
        name => name.parse()?,
    };
    let facts = state.hub.send(Describe { room }).await.map_err(|_| Refusal::Stopping)?;
    Ok(uncached(&facts))
}

/// `GET /rooms?after=&limit=`: all rooms, by name; for whoever has a key.
pub async fn list(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Refusal> {
    state.keys.check(&request)?;
    let query = Query::of(&request)?;
    let after = query.get("after", "the name of a room")?;
    let limit = query.get("limit", "a number from 1 to 1000")?.unwrap_or(100);
    if !(1..=MAX_ROOMS).contains(&limit) {
        return Err(Refusal::Query("limit must be a number from 1 to 1000".to_owned()));
    }
    let rooms = state.hub.send(List { after, limit }).await.map_err(|_| Refusal::Stopping)?;
    Ok(uncached(&rooms))
}

/// `GET /rooms/{room}/messages?since=&last=`: what was said since, or last, or all that is remembered.
pub async fn messages(
    request: HttpRequest,
    state: web::Data<AppState>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let room: RoomName = room.parse()?;
    let query = Query::of(&request)?;
    let HistoryRequest { since, last } = history_request(&request, &query)?;
    let last = if since.is_none() && !query.has("last") { usize::MAX } else { last };
    let question = HistoryQuery {
        history: HistoryRequest { since, last },
        source: state.source(&request),
        is_head: *request.method() == Method::HEAD,
        room,
    };
    state.history(question).await
}

/// An answer that is true now.
fn uncached(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
