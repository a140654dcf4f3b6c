//! What a request wants to hear of what was said before it.

use super::{refusal::Refusal, wishes::Wishes};
use crate::room::Recall;
use actix_web::{HttpRequest, http::header::HeaderName};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `Last-Event-ID`, which a browser sends by itself when it comes back, wins over `?since=`; `?last=` is for where
/// neither leads.
pub fn recall(request: &HttpRequest, wishes: &Wishes) -> Result<Recall, Refusal> {
    let last = wishes.get::<u32>("last", "a number")?.unwrap_or(0) as usize;
    let since = wishes.get("since", "<epoch>-<offset>")?;
    let last_event = request.headers().get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let last_event = last_event.filter(|id| !id.is_empty()).map(|id| id.parse());
    let last_event = last_event
        .transpose()
        .map_err(|_| Refusal::Query("Last-Event-ID must be <epoch>-<offset>".to_owned()))?;
    Ok(Recall { since: last_event.or(since), last })
}
