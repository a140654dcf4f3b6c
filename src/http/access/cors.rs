//! What a page of another origin that may connect is allowed to read (Fetch, section 3.2, "CORS protocol").

use crate::http::guard::check_origin;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

/// The answer to a browser that asks before it sends what a form could not; nothing for any other request.
pub fn preflight(request: &HttpRequest) -> Option<HttpResponse> {
    let asks = *request.method() == Method::OPTIONS
        && request.path().starts_with("/rooms")
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

/// Lets the page that asks read the answer, if it may connect.
pub fn allow_origin(request: &HttpRequest, answer: &mut HttpResponse) {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return };
    if !request.path().starts_with("/rooms") {
        return;
    }
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if check_origin(request).is_ok() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
