//! The opening handshake (RFC 6455 §4.2): judged here, carried out by the door of the server.

use super::{Context, guard::check_origin, recall::recall, refusal::Refusal, wishes::Wishes};
use crate::{
    config::RoomName,
    protocol::{Form, Protocol},
    session::{Newcomer, Terms},
    wire,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use actix_web_actors::ws;
use percent_encoding::percent_decode_str;

/// `/websocket/{room}`; `/websocket`, and `/` with an upgrade, for the default room
pub async fn room(request: HttpRequest, context: web::Data<Context>) -> Result<HttpResponse, Refusal> {
    if !asks_for_upgrade(&request) {
        return Err(plain_request(&request));
    }
    let room = match request.match_info().unprocessed().strip_prefix('/') {
        Some(name) => percent_decode_str(name).decode_utf8_lossy().parse()?, // actix has left `%`, `/` and `+` encoded
        None => context.settings.rooms.default.clone(),
    };
    admit(&request, &context, room)
}

/// Whether the request is an attempt at a handshake, good or bad.
pub fn asks_for_upgrade(request: &HttpRequest) -> bool {
    *request.method() == Method::GET && request.headers().contains_key(header::UPGRADE)
}

fn plain_request(request: &HttpRequest) -> Refusal {
    match *request.method() {
        Method::GET => Refusal::UpgradeRequired,
        _ => Refusal::MethodNotAllowed("GET"),
    }
}

/// The 101 whose extensions carry what was agreed on.
fn admit(request: &HttpRequest, context: &Context, room: RoomName) -> Result<HttpResponse, Refusal> {
    verify(request)?;
    check_origin(request)?;
    let rules = context.settings.rules_of(&room);
    let may_publish = rules.anyone || context.shows_key(request)?;
    let wishes = Wishes::of(request)?;
    let echo = wishes.get("echo", "true or false")?;
    let protocol = negotiate_protocol(request);
    let recall = recall(request, &wishes)?;
    if protocol == Protocol::Bare && recall.since.is_some() {
        let why = "since is for clients that speak worldcast.v1; others have last";
        return Err(Refusal::Query(why.to_owned()));
    }
    let resumes = wishes.get("session", "text")?.and_then(|sealed: String| context.seal.opened(&sealed));
    let compression = negotiate_compression(request, context);
    let mut response =
        ws::handshake(request).map_err(|_| Refusal::Handshake("the stock handshake refused it"))?;
    if let Some(agreement) = &compression {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, agreement.response.as_str()));
    }
    if let Some(name) = protocol.name() {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, name));
    }
    let (peer, place) = (request.peer_addr(), context.place_for(request)?);
    let mut response = response.finish();
    let form = Form { protocol, window: compression.map(|agreement| agreement.window) };
    response.extensions_mut().insert(Newcomer {
        terms: Terms { place, room, echo: echo.unwrap_or(rules.echo), may_publish, form, peer },
        recall,
        resumes,
        max_message: rules.max_message,
        messages_per_second: rules.messages_per_second,
    });
    Ok(response)
}

impl Context {
    /// Whether the request shows a key: who only listens needs none.
    fn shows_key(&self, request: &HttpRequest) -> Result<bool, Refusal> {
        match self.keys.check(request) {
            Ok(()) => Ok(true),
            Err(Refusal::KeyRequired) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Stricter than `ws::handshake`, which lets versions 7 and 8, any key and `Upgrade: foo, websocket`
/// pass, and than `verify_handshake`, which looks for a part of the token.
fn verify(request: &HttpRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    let is_ours = |token: &header::HeaderValue| token.as_bytes().eq_ignore_ascii_case(b"websocket");
    if !is_single(headers, header::UPGRADE) || !headers.get(header::UPGRADE).is_some_and(is_ours) {
        return Err(Refusal::Handshake("the Upgrade header must be `websocket`"));
    }
    if request.version() < actix_web::http::Version::HTTP_11 {
        return Err(Refusal::Handshake("HTTP/1.1 is required"));
    }
    if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Handshake("a handshake has no body"));
    }
    if !is_single(headers, header::HOST) {
        return Err(Refusal::Handshake("one Host header is required"));
    }
    if !is_single(headers, header::SEC_WEBSOCKET_KEY) {
        return Err(Refusal::Handshake("one Sec-WebSocket-Key header is required"));
    }
    if headers.get_all(header::SEC_WEBSOCKET_VERSION).nth(1).is_some() {
        return Err(Refusal::Handshake("only one Sec-WebSocket-Version header is allowed"));
    }
    actix_http::ws::verify_handshake(request.head()).map_err(refusal_of)
}

fn is_single(headers: &header::HeaderMap, name: header::HeaderName) -> bool {
    headers.get_all(name).count() == 1
}

fn refusal_of(error: ws::HandshakeError) -> Refusal {
    use ws::HandshakeError::*;
    match error {
        GetMethodRequired => Refusal::MethodNotAllowed("GET"),
        NoWebsocketUpgrade => Refusal::Handshake("the Upgrade header must be `websocket`"),
        NoConnectionUpgrade => Refusal::Handshake("the Connection header must contain `Upgrade`"),
        NoVersionHeader | UnsupportedVersion => Refusal::Version,
        BadWebsocketKey => Refusal::Handshake("Sec-WebSocket-Key must be 16 bytes in base64"),
    }
}

fn negotiate_protocol(request: &HttpRequest) -> Protocol {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    Protocol::negotiate(offers.filter_map(|offer| offer.to_str().ok()))
}

fn negotiate_compression(request: &HttpRequest, context: &Context) -> Option<wire::Agreement> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let enabled = context.settings.compression.enabled;
    enabled.then(|| wire::negotiate(offers.filter_map(|offer| offer.to_str().ok()))).flatten()
}
