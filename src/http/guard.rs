//! What every request passes: the guard in front of the handlers.

use super::{
    AppState,
    access::{
        cors::{allow_origin, preflight},
        origin::check_host,
    },
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

/// Refuses names that are not ours, and counts every refusal. No browser is to guess what an answer is: what others say
/// may be in it.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    join_upgrades(request.headers_mut());
    let answer = match (check_host(request.request()), preflight(request.request())) {
        (Err(refusal), _) => request.error_response(refusal),
        (Ok(()), Some(answer)) => request.into_response(answer),
        (Ok(()), None) => next.call(request).await.map(ServiceResponse::map_into_boxed_body)?,
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        note_response(answer.request(), answer.response());
    }
    let (request, mut answer) = answer.into_parts();
    allow_origin(&request, &mut answer);
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        forbid_sniffing(&mut answer);
    }
    Ok(ServiceResponse::new(request, answer))
}

/// What a refused request asked for, for the log.
pub struct Asked<'a> {
    pub peer: Option<SocketAddr>,
    pub method: &'a str,
    /// Without a query, which may hold the token of a session.
    pub path: &'a str,
    /// It is an attempt at a handshake, good or bad.
    pub is_handshake: bool,
}

impl Asked<'_> {
    /// Logs the refusal: at level info where the client wanted to become a session, or where a setting would let it in.
    fn log_refusal(&self, state: &AppState, is_minor: bool, why: impl Display) {
        let level = if is_minor && !self.is_handshake { Level::Debug } else { Level::Info };
        let (method, path) = (Escaped(self.method), Escaped(self.path));
        log_client!(
            level,
            "refused {method} {path}: {}\t{}",
            Escaped(&why.to_string()),
            self.subject(&state.shared.settings.rooms.default)
        );
    }

    fn subject(&self, default_room: &RoomName) -> String {
        let room = room_at(self.path, default_room);
        match self.is_handshake {
            true => Subject::handshake(self.peer, room.as_ref()).to_string(),
            false => Subject::request(self.peer, room.as_ref()).to_string(),
        }
    }
}

/// The response to a request that no `App` could judge, counted and logged like every refusal.
pub fn refuse(state: &AppState, asked: &Asked, refusal: &Refusal) -> HttpResponse {
    note(state, asked, refusal);
    let mut response = refusal.error_response();
    forbid_sniffing(&mut response);
    response
}

/// A browser takes a response for what it says it is (Fetch, section 3.6).
fn forbid_sniffing(response: &mut HttpResponse) {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Counts and logs the response to `request` if it is a refusal, or anything but the session that was asked for.
fn note_response(request: &HttpRequest, response: &HttpResponse) {
    let refusal = response.error().and_then(|error| error.as_error::<Refusal>());
    let is_handshake = asks_for_upgrade(request);
    if refusal.is_none() && !is_handshake {
        return;
    }
    let (peer, method, path) = (request.peer_addr(), request.method().as_str(), request.uri().path());
    let asked = Asked { peer, method, path, is_handshake };
    match refusal {
        Some(refusal) => note(AppState::of(request), &asked, refusal),
        None => {
            let status = response.status().as_u16();
            let why = format_args!("there is no WebSocket at this address ({status})");
            asked.log_refusal(AppState::of(request), false, why);
        }
    }
}

fn note(state: &AppState, asked: &Asked, refusal: &Refusal) {
    state.shared.metrics.refusals.get_or_create(&RefusalLabels { reason: refusal.code() }).inc();
    let is_minor = !matches!(refusal, Refusal::Origin(_) | Refusal::Host(_) | Refusal::LimitReached(_));
    asked.log_refusal(state, is_minor, refusal);
}

/// The room that an address names, if any.
fn room_at(path: &str, default: &RoomName) -> Option<RoomName> {
    let name = match path {
        "/" | "/websocket" | "/websocket/" | "/rooms/" => return Some(default.clone()),
        path => {
            path.strip_prefix("/websocket/").or_else(|| path.strip_prefix("/rooms/")?.split('/').next())?
        }
    };
    percent_decode_str(name).decode_utf8_lossy().parse().ok()
}
