//! The opening handshake (RFC 6455 §4.2): the request is judged here; its session will own the
//! socket.

use super::{
    AppState,
    access::{
        origin::check_host,
        rights::{Purpose, rights},
    },
    query::{Query, history_request},
    refusal::Refusal,
};
use crate::{
    config::RoomName,
    protocol::{Encoding, Protocol},
    session::{Handshake, SessionOptions},
    wire,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use actix_web_actors::ws;
use percent_encoding::percent_decode_str;

/// Handles `/websocket/{room}`; `/websocket`, `/websocket/`, and `/` with an upgrade lead to the
/// default room.
///
/// # Errors
/// The [`Refusal`] of the first rule that the request violates.
pub async fn upgrade(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Refusal> {
    check_host(&request)?;
    if !asks_for_upgrade(&request) {
        return Err(plain_request(&request));
    }
    let room = match request.match_info().unprocessed().strip_prefix('/') {
        Some("") | None => state.shared.policy.load().rooms.default.clone(),
        // actix leaves `%`, `/` and `+` encoded.
        Some(name) => percent_decode_str(name).decode_utf8_lossy().parse()?,
    };
    admit(&request, &state, room)
}

/// Returns true for an attempt at a handshake, valid or not: a GET with `websocket` in the list of
/// its `Upgrade` headers. The server ignores an upgrade to another protocol (RFC 9110 §7.8).
pub fn asks_for_upgrade(request: &HttpRequest) -> bool {
    *request.method() == Method::GET && has_token(request.headers(), header::UPGRADE, "websocket")
}

/// Reduces several `Upgrade` headers to the one that asks for a WebSocket: actix's own handshake
/// reads only the first.
pub fn join_upgrades(headers: &mut header::HeaderMap) {
    if headers.get_all(header::UPGRADE).nth(1).is_some() && has_token(headers, header::UPGRADE, "websocket") {
        headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    }
}

/// Returns true if the list in all headers of this `name` contains `token`.
fn has_token(headers: &header::HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers.get_all(name).any(|list| list_has(list.as_bytes(), token))
}

/// Returns true if `list` contains `token`, in any case of letters (RFC 9110 §5.6.1, §7.8).
pub fn list_has(list: &[u8], token: &str) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn plain_request(request: &HttpRequest) -> Refusal {
    match *request.method() {
        Method::GET => Refusal::UpgradeRequired,
        _ => Refusal::MethodNotAllowed("GET"),
    }
}

/// Returns the response 101, with the [`Handshake`] in its extensions.
fn admit(request: &HttpRequest, state: &AppState, room: RoomName) -> Result<HttpResponse, Refusal> {
    verify(request)?;
    let policy = state.shared.policy.load().rooms.of(&room);
    let rights = rights(request, Purpose::Join(&policy))?;
    let query = Query::of(request)?;
    let echo = query.get("echo", "true or false")?;
    let protocol = negotiate_protocol(request);
    let history = history_request(request, &query)?;
    if protocol == Protocol::Raw && history.since.is_some() {
        let why = "since is for clients that speak worldcast.v1; others have last";
        return Err(Refusal::Query(why.to_owned()));
    }
    let resumes = query.get("session", "text")?.and_then(|token: String| state.shared.tokens.verify(&token));
    let compression = negotiate_compression(request, state);
    let mut response =
        ws::handshake(request).map_err(|_| Refusal::Handshake("the stock handshake refused it"))?;
    if let Some(agreement) = &compression {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, agreement.response.as_str()));
    }
    if let Some(name) = protocol.name() {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, name));
    }
    let (peer, slot) = (request.peer_addr(), state.connection_slot(request)?);
    let mut response = response.finish();
    let encoding = Encoding { protocol, window: compression.map(|agreement| agreement.window) };
    response.extensions_mut().insert(Handshake {
        options: SessionOptions { slot, room, echo: echo.unwrap_or(policy.echo), rights, encoding, peer },
        history,
        resumes,
        max_message: policy.max_message,
        messages_per_second: policy.messages_per_second,
    });
    Ok(response)
}

/// Verifies the request. This is stricter than `ws::handshake`, which accepts versions 7 and 8 and
/// any key, and than `verify_handshake`, which searches for a part of a token.
fn verify(request: &HttpRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    if request.version() < actix_web::http::Version::HTTP_11 {
        return Err(Refusal::Handshake("HTTP/1.1 is required"));
    }
    if has_body(headers) {
        return Err(Refusal::Handshake("a handshake has no body"));
    }
    if has_token(headers, header::CONNECTION, "close") {
        return Err(Refusal::Handshake("the Connection header must not contain `close`"));
    }
    if headers.get_all(header::SEC_WEBSOCKET_KEY).count() != 1 {
        return Err(Refusal::Handshake("one Sec-WebSocket-Key header is required"));
    }
    if headers.get_all(header::SEC_WEBSOCKET_VERSION).nth(1).is_some() {
        return Err(Refusal::Handshake("only one Sec-WebSocket-Version header is allowed"));
    }
    actix_http::ws::verify_handshake(request.head()).map_err(refusal_of)
}

/// Returns true if the headers announce a body. The HTTP client of Java sends a length of 0, which
/// announces none.
fn has_body(headers: &header::HeaderMap) -> bool {
    let is_zero =
        |length: &header::HeaderValue| length.to_str().is_ok_and(|length| length.trim().parse() == Ok(0_u64));
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).all(is_zero)
}

fn refusal_of(error: ws::HandshakeError) -> Refusal {
    use ws::HandshakeError::*;
    match error {
        GetMethodRequired => Refusal::MethodNotAllowed("GET"),
        NoWebsocketUpgrade => Refusal::Handshake("the Upgrade header must contain `websocket`"),
        NoConnectionUpgrade => Refusal::Handshake("the Connection header must contain `Upgrade`"),
        NoVersionHeader | UnsupportedVersion => Refusal::Version,
        BadWebsocketKey => Refusal::Handshake("Sec-WebSocket-Key must be 16 bytes in base64"),
    }
}

fn negotiate_protocol(request: &HttpRequest) -> Protocol {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    Protocol::negotiate(offers.filter_map(|offer| offer.to_str().ok()))
}

fn negotiate_compression(request: &HttpRequest, state: &AppState) -> Option<wire::Agreement> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let enabled = state.shared.policy.load().compresses;
    enabled.then(|| wire::negotiate(offers.filter_map(|offer| offer.to_str().ok()))).flatten()
}
