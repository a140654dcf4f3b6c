//! What is known about a room.

use super::{Context, refusal::Refusal};
use crate::hub::Describe;
use actix_web::{HttpResponse, http::header, web};

/// `GET /rooms/{room}`: how many clients are in it; `GET /rooms/` is about the default room, and names it.
pub async fn describe(context: web::Data<Context>, name: web::Path<String>) -> Result<HttpResponse, Refusal> {
    let room = match name.as_str() {
        "" => context.settings.rooms.default.clone(),
        name => name.parse()?,
    };
    let facts = context.hub.send(Describe { room }).await.map_err(|_| Refusal::Stopping)?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(facts))
}
