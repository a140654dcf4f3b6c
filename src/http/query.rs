//! The parameters in the query of a request, and the part of a history that they ask for.

use super::refusal::Refusal;
use crate::history::{HistoryRequest, Position};
use actix_web::{HttpRequest, http::header::HeaderName, web};
use std::{collections::HashMap, str::FromStr};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parameters of a request, each at most once.
pub struct Query(HashMap<String, String>);

impl Query {
    /// Parses the query of `request`.
    ///
    /// # Errors
    /// [`Refusal::Query`] if a parameter occurs twice or is not well encoded.
    pub fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Refusal::Query("the query is not well encoded".to_owned()))?;
        let mut query = HashMap::new();
        for (name, value) in pairs.into_inner() {
            if query.contains_key(&name) {
                return Err(Refusal::Query(format!("{name} is there twice")));
            }
            query.insert(name, value);
        }
        Ok(Self(query))
    }

    /// Returns true if the parameter is present.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the parameter `name`, if it is present.
    ///
    /// # Errors
    /// [`Refusal::Query`] if it cannot be parsed; the sentence contains `must_be`.
    pub fn get<T: FromStr>(&self, name: &str, must_be: &str) -> Result<Option<T>, Refusal> {
        let parsed = self.0.get(name).map(|value| value.parse());
        parsed.transpose().map_err(|_| Refusal::Query(format!("{name} must be {must_be}")))
    }
}

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
