//! What every request passes: the guard in front of the handlers.

use super::{
    Context,
    refusal::Refusal,
    sharing::{preflight, share},
    unread::{Unread, kept_by},
    websocket::join_upgrades,
};
use crate::{
    logging::{Escaped, TARGET},
    metrics::RefusalLabels,
};
use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use log::{debug, info};
use std::net::SocketAddr;

/// The listener that a request came through.
#[derive(Clone, Copy)]
pub struct Listener(pub SocketAddr);

/// Refuses names that are not ours, and counts every refusal.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let unread = Unread::of(&mut request);
    join_upgrades(request.headers_mut());
    let answer = match (check_host(request.request()), preflight(request.request())) {
        (Err(refusal), _) => request.error_response(refusal),
        (Ok(()), Some(answer)) => request.into_response(answer),
        (Ok(()), None) => next.call(request).await.map(ServiceResponse::map_into_boxed_body)?,
    };
    if let Some(refusal) = answer.response().error().and_then(|error| error.as_error::<Refusal>()) {
        note(context(answer.request()), answer.request().peer_addr(), refusal);
    }
    let (request, mut answer) = answer.into_parts();
    share(&request, &mut answer);
    Ok(ServiceResponse::new(request, kept_by(unread, answer)))
}

/// A listener on loopback is for this machine: no name that somebody else made point to it.
fn check_host(request: &HttpRequest) -> Result<(), Refusal> {
    let on_loopback = request.app_data::<Listener>().is_some_and(|listener| listener.0.ip().is_loopback());
    let Some(host) = text(request, header::HOST).filter(|_| on_loopback) else { return Ok(()) };
    match context(request).origins.answers_to(host) {
        true => Ok(()),
        false => Err(Refusal::Host(host.to_owned())),
    }
}

/// A page of another origin does not act here; programs, which send no Origin, do.
pub fn check_origin(request: &HttpRequest) -> Result<(), Refusal> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    let host = text(request, header::HOST).unwrap_or_default();
    match context(request).origins.allows(&origin, host) {
        true => Ok(()),
        false => Err(Refusal::Origin(origin.into_owned())),
    }
}

/// The response to a request that no `App` could judge, counted and logged like every refusal.
pub fn refuse(context: &Context, peer: Option<SocketAddr>, refusal: &Refusal) -> HttpResponse {
    note(context, peer, refusal);
    refusal.error_response()
}

fn note(context: &Context, peer: Option<SocketAddr>, refusal: &Refusal) {
    context.metrics.refusals.get_or_create(&RefusalLabels { reason: refusal.code() }).inc();
    let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    match refusal {
        Refusal::Origin(origin) => info!(
            target: TARGET,
            "refused {peer}: a page of {} may not connect; origins.allowed would let it",
            Escaped(origin)
        ),
        refusal => debug!(target: TARGET, "refused {peer}: {}", Escaped(&refusal.to_string())),
    }
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn context(request: &HttpRequest) -> &Context {
    request.app_data::<web::Data<Context>>().expect("every app has its context")
}
