//! Pages of other origins that publish and read (Fetch, section 3.2, "CORS protocol").

use super::origin::{check_host, check_origin, check_page};
use crate::http::{AppState, METHODS, refusal::Refusal};
use actix_cors::{Cors, CorsError};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::{DefaultHeaders, Next},
    web,
};

/// The time in seconds for which a browser may keep the response to a preflight request.
const MAX_AGE: usize = 600;

/// Returns the middleware that lets pages of allowed origins read responses, refusals included.
///
/// It allows every method and header: the resource refuses those that it does not know, in a
/// response that the page can read. [`vary`] adds the header `Vary`.
pub fn cors(state: web::Data<AppState>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |_, head| check_page(&state, head).is_ok())
        .allow_any_method()
        .allow_any_header()
        .max_age(MAX_AGE)
        .disable_vary_header()
}

/// Returns the middleware that keeps caches from serving a response for one origin to another, or
/// one without an origin to any (Fetch, section 3.2.5). Responses to preflight requests, which no
/// cache keeps, depend on more headers than this.
pub fn vary() -> DefaultHeaders {
    DefaultHeaders::new().add((header::VARY, "Origin"))
}

/// Judges preflight requests, which a browser sends before a request that no form could send.
/// [`cors`] responds to the good ones; its own refusals would be text that is neither counted nor
/// logged.
///
/// # Errors
/// The error of a handler that has failed without a response.
pub async fn judge_preflight<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let asks = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks && let Err(refusal) = check_host(request.request()).and_then(|()| check_origin(request.request()))
    {
        return Ok(request.error_response(refusal));
    }
    let answer = next.call(request).await?;
    match answer.response().error().and_then(|error| error.as_error::<CorsError>()) {
        // The request names no origin, or a method that actix-cors does not know.
        Some(_) => Ok(answer.error_response(Refusal::MethodNotAllowed(METHODS))),
        None => Ok(answer.map_into_boxed_body()),
    }
}
