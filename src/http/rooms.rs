//! What is known about rooms, and what was said in them.

use super::{Context, recall::recall, refusal::Refusal, unread::kept_by, wishes::Wishes};
use crate::{
    config::RoomName,
    hub::{Describe, List, Read},
    protocol::v1::Message,
    room::{Position, Recall, Recalled},
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::header,
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

/// What a room remembers.
#[derive(Serialize)]
struct History<'a> {
    room: &'a RoomName,
    /// Behind the last message; nothing for a room that does not exist.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    /// Whether everything behind the position that was asked for is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    messages: Vec<Message<'a>>,
}

/// `GET /rooms/{room}/messages?since=&last=`: what was said since, or last, or all that is remembered.
pub async fn messages(
    request: HttpRequest,
    context: web::Data<Context>,
    room: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let room: RoomName = room.parse()?;
    let wishes = Wishes::of(&request)?;
    let Recall { since, last } = recall(&request, &wishes)?;
    let last = if since.is_none() && !wishes.has("last") { usize::MAX } else { last };
    let read = Read { room: room.clone(), recall: Recall { since, last } };
    let recalled = context.hub.send(read).await.map_err(|_| Refusal::Stopping)?;
    let answer = fresh(&history(&room, recalled.as_ref(), since));
    let permits = context.permits(&[length(&answer)]);
    let permit = context.answers.clone().try_acquire_many_owned(permits).map_err(|_| Refusal::Busy)?;
    Ok(kept_by(permit, answer))
}

fn history<'a>(room: &'a RoomName, recalled: Option<&'a Recalled>, since: Option<Position>) -> History<'a> {
    History {
        room,
        position: recalled.map(|recalled| recalled.until),
        recovered: recalled.map_or(since.map(|_| false), |recalled| recalled.whole),
        messages: recalled.iter().flat_map(|recalled| &recalled.said).map(|said| Message::of(said)).collect(),
    }
}

/// An answer that is true now.
fn fresh(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}

/// Bytes of an answer, which lie in memory until the client has taken them.
fn length(answer: &HttpResponse) -> usize {
    match answer.body().size() {
        BodySize::Sized(length) => length as usize,
        _ => 0,
    }
}
