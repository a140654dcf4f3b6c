//! The guard in front of all handlers: checks of every request, counts and logs of every refusal.

use super::{
    AppState,
    access::origin::check_host,
    handshake::{asks_for_upgrade, join_upgrades},
    refusal::Refusal,
};
use crate::{
    config::RoomName,
    logging::{Escaped, Subject, log_client},
    metrics::RefusalLabels,
};
use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    middleware::Next,
};
use log::Level;
use percent_encoding::percent_decode_str;
use std::{fmt::Display, net::SocketAddr};

/// Counts and logs every refusal. Responses may contain text of other clients, so no browser may
/// guess their type.
///
/// # Errors
/// The error of a handler that has failed without a response.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    join_upgrades(request.headers_mut());
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        note_response(answer.request(), answer.response());
        forbid_sniffing(answer.response_mut());
    }
    Ok(answer)
}

/// Refuses requests for names that do not belong to the server: a middleware of every scope.
///
/// # Errors
/// The error of a handler that has failed without a response.
pub async fn refuse_foreign_names<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    match check_host(request.request()) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(refusal) => Ok(request.error_response(refusal)),
    }
}

/// The properties of a refused request, for the log.
pub struct RequestSummary<'a> {
    /// The address of the client.
    pub peer: Option<SocketAddr>,
    /// The method, `-` if it cannot be read.
    pub method: &'a str,
    /// The path without the query, which may hold a session token.
    pub path: &'a str,
    /// The request is an attempt at an opening handshake, valid or not.
    pub is_handshake: bool,
}

impl RequestSummary<'_> {
    /// Logs the refusal: at level info for a handshake, and for a refusal that a setting decides.
    fn log_refusal(&self, state: &AppState, is_minor: bool, why: impl Display) {
        let level = if is_minor && !self.is_handshake { Level::Debug } else { Level::Info };
        let (method, path) = (Escaped(self.method), Escaped(self.path));
        log_client!(
            self.peer,
            level,
            "refused {method} {path}: {}\t{}",
            Escaped(&why.to_string()),
            self.subject(state)
        );
    }

    fn log_ignored_upgrade(&self, state: &AppState, status: StatusCode) {
        let (method, path, status) = (Escaped(self.method), Escaped(self.path), status.as_u16());
        log_client!(
            self.peer,
            Level::Info,
            "ignored the upgrade of {method} {path}: there is no WebSocket at this address ({status})\t{}",
            self.subject(state)
        );
    }

    fn subject(&self, state: &AppState) -> String {
        let room = room_at(self.path, &state.shared.policy.load().rooms.default);
        match self.is_handshake {
            true => Subject::handshake(self.peer, room.as_ref()).to_string(),
            false => Subject::request(self.peer, room.as_ref()).to_string(),
        }
    }
}

/// Returns the response to a request that no `App` could judge, after counting and logging it as
/// every refusal.
pub fn refuse(state: &AppState, asked: &RequestSummary, refusal: &Refusal) -> HttpResponse {
    note(state, asked, refusal);
    let mut response = refusal.error_response();
    forbid_sniffing(&mut response);
    response
}

/// Makes a browser use the declared type of a response (Fetch, section 3.6).
fn forbid_sniffing(response: &mut HttpResponse) {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Counts and logs the response to `request` if it is a refusal. A handshake at an address without
/// a WebSocket is logged too: the server ignores the upgrade (RFC 9110 §7.8), and the client fails.
fn note_response(request: &HttpRequest, response: &HttpResponse) {
    let refusal = response.error().and_then(|error| error.as_error::<Refusal>());
    let is_handshake = asks_for_upgrade(request);
    if refusal.is_none() && !is_handshake {
        return;
    }
    let asked = RequestSummary {
        peer: request.peer_addr(),
        method: request.method().as_str(),
        path: target(request),
        is_handshake,
    };
    match refusal {
        Some(refusal) => note(AppState::of(request), &asked, refusal),
        None => asked.log_ignored_upgrade(AppState::of(request), response.status()),
    }
}

/// Returns the path of `request` without the query, or its authority: CONNECT has no path.
fn target(request: &HttpRequest) -> &str {
    match (request.uri().path(), request.uri().authority()) {
        ("", Some(authority)) => authority.as_str(),
        (path, _) => path,
    }
}

fn note(state: &AppState, asked: &RequestSummary, refusal: &Refusal) {
    state.shared.metrics.refusals.get_or_create(&RefusalLabels { reason: refusal.code() }).inc();
    let is_minor = !matches!(refusal, Refusal::Origin(_) | Refusal::Host(_) | Refusal::LimitReached(_));
    asked.log_refusal(state, is_minor, refusal);
}

/// Returns the room that a path names, if any.
fn room_at(path: &str, default: &RoomName) -> Option<RoomName> {
    let name = match path {
        "/" | "/websocket" | "/websocket/" | "/rooms/" => return Some(default.clone()),
        path => {
            path.strip_prefix("/websocket/").or_else(|| path.strip_prefix("/rooms/")?.split('/').next())?
        }
    };
    percent_decode_str(name).decode_utf8_lossy().parse().ok()
}
