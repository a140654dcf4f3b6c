//! The checks of a request's `Origin` and `Host` by the rules of the policy.

use crate::http::{AppState, refusal::Refusal};
use actix_web::{
    HttpMessage, HttpRequest,
    dev::RequestHead,
    http::{
        Version,
        header::{self, HeaderValue},
    },
};
use std::{borrow::Cow, net::SocketAddr};

/// The address of the listener that a request came through, or of this end of its connection.
#[derive(Clone, Copy)]
pub struct LocalAddress(pub SocketAddr);

/// Refuses a request for a name that does not belong to the server. A listener is judged by its
/// configured address; all admin listeners share one `App`, so there each connection is judged by
/// its own address.
///
/// # Errors
/// [`Refusal::Host`] for another name, and [`Refusal::Request`] without exactly one `Host` where
/// HTTP requires it.
pub fn check_host(request: &HttpRequest) -> Result<(), Refusal> {
    let policy = AppState::of(request).shared.policy.load();
    let origins = &policy.origins;
    let answers_to =
        |host: &str| match (request.extensions().get::<LocalAddress>(), request.app_data::<LocalAddress>()) {
            (Some(admin), _) => origins.answers_operators(host, admin.0.ip()),
            (None, listener) => listener.is_some_and(|listener| origins.answers_to(host, listener.0.ip())),
        };
    match (host(request.head())?, request.version()) {
        (Some(host), _) if answers_to(&host) => Ok(()),
        (Some(host), _) => Err(Refusal::Host(host.into_owned())),
        (None, Version::HTTP_09 | Version::HTTP_10) => Ok(()), // no browser speaks it
        (None, _) => Err(Refusal::no_host()),
    }
}

/// Returns the client's name for the server: the authority of a target in absolute form (RFC 9112
/// §3.2.2), or else `Host`.
fn host(head: &RequestHead) -> Result<Option<Cow<'_, str>>, Refusal> {
    if let Some(authority) = head.uri.authority() {
        return Ok(Some(authority.as_str().into()));
    }
    let mut hosts = head.headers.get_all(header::HOST);
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(Refusal::several_hosts()),
        (host, None) => Ok(host.map(|host| String::from_utf8_lossy(host.as_bytes()))),
    }
}

/// Refuses a request from a page of an origin that may not connect. Programs send no `Origin` and
/// pass.
///
/// # Errors
/// [`Refusal::Origin`] for such a page, or for several `Origin` headers.
pub fn check_origin(request: &HttpRequest) -> Result<(), Refusal> {
    check_page(AppState::of(request), request.head())
}

/// The same for the head of a request.
///
/// # Errors
/// As [`check_origin`].
pub fn check_page(state: &AppState, head: &RequestHead) -> Result<(), Refusal> {
    let text = |origin: &HeaderValue| String::from_utf8_lossy(origin.as_bytes()).into_owned();
    let mut origins = head.headers.get_all(header::ORIGIN).map(text);
    let Some(origin) = origins.next() else { return Ok(()) };
    if let Some(other) = origins.next() {
        return Err(Refusal::Origin(format!("{origin}, {other}"))); // the sentence says that it is none
    }
    let host = host(head)?.unwrap_or_default();
    match state.shared.policy.load().origins.allows(&origin, &host, &state.ports) {
        true => Ok(()),
        false => Err(Refusal::Origin(origin)),
    }
}
