//! Handlers for the state of rooms and for their messages.

use super::{
    AppState,
    access::rights::{Purpose, rights},
    history::HistoryQuery,
    query::{Query, history_request},
    refusal::Refusal,
};
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

/// The most rooms in one list, inclusive.
const MAX_ROOMS: usize = 1000;

/// Handles `GET /rooms/{room}`: the number of clients and the state of the history. `GET /rooms/`
/// is about the default room, and names it.
///
/// # Errors
/// [`Refusal::RoomName`], [`Refusal::Backplane`] while that does not answer, or
/// [`Refusal::Stopping`] while the server shuts down.
pub async fn describe(
    request: HttpRequest,
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    rights(&request, Purpose::Read)?;
    let room = match name.as_str() {
        "" => state.shared.policy.load().rooms.default.clone(),
        name => name.parse()?,
    };
    let facts = state.hub.send(Describe { room }).await.map_err(|_| Refusal::Stopping)??;
    Ok(uncached(&facts))
}

/// Handles `GET /rooms?after=&limit=`: all rooms, sorted by name, for clients with a key.
///
/// # Errors
/// [`Refusal::KeyRequired`] or [`Refusal::Key`] without a valid key, [`Refusal::Query`], and
/// [`Refusal::Stopping`] while the server shuts down.
pub async fn list(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Refusal> {
    rights(&request, Purpose::List)?;
    let query = Query::of(&request)?;
    let after = query.get("after", "the name of a room")?;
    let limit = query.get("limit", "a number from 1 to 1000")?.unwrap_or(100);
    if !(1..=MAX_ROOMS).contains(&limit) {
        return Err(Refusal::Query("limit must be a number from 1 to 1000".to_owned()));
    }
    let rooms = state.hub.send(List { after, limit }).await.map_err(|_| Refusal::Stopping)?;
    Ok(uncached(&rooms))
}

/// Handles `GET /rooms/{room}/messages?since=&last=`: the messages after a position, the last ones,
/// or all that the room keeps.
///
/// # Errors
/// [`Refusal::RoomName`], [`Refusal::Query`], [`Refusal::Busy`] if no share of the pool becomes
/// free, [`Refusal::Backplane`] while that does not answer, and [`Refusal::Stopping`] while the
/// server shuts down.
pub async fn messages(
    request: HttpRequest,
    state: web::Data<AppState>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let room: RoomName = room.parse()?;
    rights(&request, Purpose::Read)?;
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

/// Responds with JSON that no cache may keep.
fn uncached(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
