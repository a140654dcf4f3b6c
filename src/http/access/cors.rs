//! Headers that let pages of other origins read responses (Fetch, section 3.2, "CORS protocol").

use super::origin::check_origin;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

/// Returns the response to a preflight request, which a browser sends before a request that no form
/// could send; `None` for any other request.
pub fn preflight(request: &HttpRequest) -> Option<HttpResponse> {
    let asks = *request.method() == Method::OPTIONS
        && is_readable(request)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    (asks && check_origin(request).is_ok()).then(|| {
        HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, X-Requested-With",
            ))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600")) // seconds
            .finish()
    })
}

/// Lets the requesting page read the response, if its origin may connect. A cache must not serve a
/// response for one origin to another, or one without an origin to any (Fetch, section 3.2.5).
pub fn allow_origin(request: &HttpRequest, answer: &mut HttpResponse) {
    if !is_readable(request) {
        return;
    }
    let headers = answer.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| check_origin(request).is_ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

/// Returns true for paths that pages of other origins may read: `/rooms` and everything below.
fn is_readable(request: &HttpRequest) -> bool {
    let below = request.path().strip_prefix("/rooms");
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
