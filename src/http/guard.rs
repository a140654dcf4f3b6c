//! What every request passes: the guard in front of the handlers.

use super::{
    AppState,
    access::{
        cors::{allow_origin, preflight},
        origin::check_host,
    },
    handshake::join_upgrades,
    refusal::Refusal,
};
use crate::{
    logging::{Escaped, log_client},
    metrics::RefusalLabels,
};
use actix_web::{
    Error, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    middleware::Next,
};
use log::Level;
use std::net::SocketAddr;

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
    if let Some(refusal) = answer.response().error().and_then(|error| error.as_error::<Refusal>()) {
        note(AppState::of(answer.request()), answer.request().peer_addr(), refusal);
    }
    let (request, mut answer) = answer.into_parts();
    allow_origin(&request, &mut answer);
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        forbid_sniffing(&mut answer);
    }
    Ok(ServiceResponse::new(request, answer))
}

/// The response to a request that no `App` could judge, counted and logged like every refusal.
pub fn refuse(state: &AppState, peer: Option<SocketAddr>, refusal: &Refusal) -> HttpResponse {
    note(state, peer, refusal);
    let mut response = refusal.error_response();
    forbid_sniffing(&mut response);
    response
}

/// A browser takes a response for what it says it is (Fetch, section 3.6).
fn forbid_sniffing(response: &mut HttpResponse) {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn note(state: &AppState, peer: Option<SocketAddr>, refusal: &Refusal) {
    state.metrics.refusals.get_or_create(&RefusalLabels { reason: refusal.code() }).inc();
    let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    match refusal {
        Refusal::Origin(origin) => log_client!(
            Level::Info,
            "refused {peer}: a page of {} may not connect; origins.allowed would let it",
            Escaped(origin)
        ),
        Refusal::Host(host) => log_client!(
            Level::Info,
            "refused {peer}: the server does not answer to the name {}; origins.hosts would add it",
            Escaped(host)
        ),
        refusal => log_client!(Level::Debug, "refused {peer}: {}", Escaped(&refusal.to_string())),
    }
}
