//! The part of a room's history that a request asks for.

use super::{query::Query, refusal::Refusal};
use crate::history::{HistoryRequest, Position};
use actix_web::{HttpRequest, http::header::HeaderName};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Reads the position and the number of messages from a request. `Last-Event-ID`, which a browser
/// sends by itself when it reconnects, takes precedence over `?since=`; `?last=` is used where
/// neither leads to a known position. A foreign id leads nowhere but is no error: a browser never
/// reconnects after a 400.
///
/// # Errors
/// [`Refusal::Query`] if `last` or `since` cannot be parsed.
pub fn history_request(request: &HttpRequest, query: &Query) -> Result<HistoryRequest, Refusal> {
    let last = query.get::<u32>("last", "a number")?.unwrap_or(0) as usize;
    let since = query.get("since", "<epoch>-<offset>")?;
    let last_event = request.headers().get(LAST_EVENT_ID).filter(|id| !id.is_empty());
    let last_event = last_event.map(|id| id.to_str().ok().and_then(|id| id.parse().ok()));
    let last_event = last_event.map(|position| position.unwrap_or(Position::FOREIGN));
    Ok(HistoryRequest { since: last_event.or(since), last })
}
