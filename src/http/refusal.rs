//! The refusals of requests: each with its status, a stable code and a sentence.

use crate::{
    config::{HostPattern, OriginPattern, RoomNameError},
    hub::Unavailable,
    limits::LimitReached,
};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

/// The reason why a request is refused; docs/protocol.md lists all of them.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The head is not valid HTTP/1.1 (RFC 9112); contains the parser's reason.
    #[error("not a request of HTTP/1.1: {0}")]
    Request(String),
    /// The head exceeds `session.max_head`; contains its bytes (RFC 6585 §5).
    #[error("the head of a request has at most {0} bytes here (session.max_head)")]
    HeadTooLarge(usize),
    /// The head has too many headers; contains the most that are allowed.
    #[error("a request has at most {0} headers")]
    TooManyHeaders(usize),
    /// The head was not complete within `session.handshake_within`.
    #[error("the head of the request arrived too slowly (session.handshake_within)")]
    HeadTooSlow,
    /// The path leads to no resource.
    #[error("there is nothing at this address")]
    NotFound,
    /// The resource does not allow the method; contains the allowed ones.
    #[error("this address answers {0} only")]
    MethodNotAllowed(&'static str),
    /// A plain request for a path that is for WebSockets only.
    #[error("this address speaks WebSocket: connect with ws:// instead of http://")]
    UpgradeRequired,
    /// The handshake has another version than 13 (RFC 6455 §4.4).
    #[error("this server supports version 13 of the WebSocket protocol only")]
    Version,
    /// The handshake violates RFC 6455 §4.2.1; contains the violated rule.
    #[error("no valid WebSocket handshake: {0}")]
    Handshake(&'static str),
    /// The name of the room is not valid.
    #[error("{0}")]
    RoomName(#[from] RoomNameError),
    /// The query is not valid; contains the violated rule.
    #[error("{0}")]
    Query(String),
    /// A page of this origin may not connect (RFC 6455 §10.2).
    #[error("{}", about_origin(.0))]
    Origin(String),
    /// The server does not answer to this name.
    #[error("{}", about_host(.0))]
    Host(String),
    /// A limit of connections is reached.
    #[error("{}", sentence(*.0))]
    LimitReached(LimitReached),
    /// The request needs a key and has none.
    #[error("this request requires a key: Authorization: Bearer KEY")]
    KeyRequired,
    /// The request has a key that is not valid.
    #[error("this key is not valid")]
    Key,
    /// A message or a body is too large; contains the most bytes allowed.
    #[error("a message or a body here has at most {0} bytes in all")]
    TooLarge(usize),
    /// The body was not complete within `session.handshake_within`.
    #[error("the body arrived too slowly")]
    BodyTooSlow,
    /// The body ended before its announced length.
    #[error("the body ended early")]
    Body,
    /// The body is compressed.
    #[error("send the body without Content-Encoding")]
    Encoding,
    /// The type of the body names another charset than UTF-8.
    #[error("text must be UTF-8, not another charset")]
    Charset,
    /// The body has a type of text and is not UTF-8.
    #[error("text must be UTF-8, and this is not")]
    NotUtf8,
    /// The body is not the expected JSON; contains the reason.
    #[error("not the JSON that is expected: {0}")]
    Json(String),
    /// The `Idempotency-Key` is not valid.
    #[error("an Idempotency-Key has 1 to 128 visible ASCII characters")]
    IdempotencyKey,
    /// The `Idempotency-Key` was used for other messages.
    #[error("this Idempotency-Key was used for another request")]
    RetryKeyReused,
    /// The source holds its share of idempotency keys.
    #[error(
        "your address holds its share of the Idempotency-Keys (publish.idempotency_keys); the oldest is free after \
         publish.idempotency_window"
    )]
    RetryKeys,
    /// `limits.rooms` is reached.
    #[error("too many rooms (limits.rooms)")]
    TooManyRooms,
    /// A shared limit did not become free in time.
    #[error("the server is busy; try again")]
    Busy,
    /// The backplane did not answer within `session.stalled_write`.
    #[error(
        "the backplane did not answer in time; try again. A message may still be published: with an \
         Idempotency-Key it is not published twice"
    )]
    Backplane,
    /// The condition of the request on a file, such as `If-Match`, is not met.
    #[error("the condition of the request is not met: the file is another")]
    Precondition,
    /// The requested range begins after the end of the file; contains the length in bytes.
    #[error("the file has {0} bytes, and the requested range none of them")]
    Range(u64),
    /// The file cannot be read; the log has the reason.
    #[error("this file cannot be read; the log of the server says why")]
    File,
    /// The server shuts down.
    #[error("the server is shutting down")]
    Stopping,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    message: String,
}

impl Refusal {
    /// The refusal of a request of HTTP/1.1 without a `Host` header (RFC 9112 §3.2).
    pub fn no_host() -> Self {
        Self::Request("HTTP/1.1 requires a Host header".to_owned())
    }

    /// The refusal of a request with several `Host` headers (RFC 9112 §3.2).
    pub fn several_hosts() -> Self {
        Self::Request("only one Host header is allowed".to_owned())
    }

    /// Returns the stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::HeadTooLarge(_) | Self::TooManyHeaders(_) => "head_too_large",
            Self::HeadTooSlow => "timeout",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::Version => "websocket_version",
            Self::Handshake(_) => "websocket_handshake",
            Self::RoomName(_) => "room_name",
            Self::Query(_) => "query",
            Self::Origin(_) => "origin",
            Self::Host(_) => "host",
            Self::LimitReached(LimitReached::Connections) => "connections",
            Self::LimitReached(LimitReached::ConnectionsPerIp) => "connections_per_ip",
            Self::LimitReached(LimitReached::ConnectionsPerSecond) => "connections_per_second",
            Self::KeyRequired => "key_required",
            Self::Key => "key",
            Self::TooLarge(_) => "too_large",
            Self::BodyTooSlow => "timeout",
            Self::Body => "body",
            Self::Encoding => "encoding",
            Self::Charset => "charset",
            Self::NotUtf8 => "not_utf8",
            Self::Json(_) => "json",
            Self::IdempotencyKey => "idempotency_key",
            Self::RetryKeyReused => "idempotency_key_reused",
            Self::RetryKeys => "idempotency_keys",
            Self::TooManyRooms => "rooms",
            Self::Busy => "busy",
            Self::Backplane => "backplane",
            Self::Precondition => "precondition",
            Self::Range(_) => "range",
            Self::File => "file",
            Self::Stopping => "stopping",
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeRequired | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HeadTooLarge(_) | Self::TooManyHeaders(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Request(_)
            | Self::Handshake(_)
            | Self::RoomName(_)
            | Self::Query(_)
            | Self::Body
            | Self::NotUtf8
            | Self::Json(_)
            | Self::IdempotencyKey => StatusCode::BAD_REQUEST,
            Self::KeyRequired | Self::Key => StatusCode::UNAUTHORIZED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooSlow | Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoding | Self::Charset => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::File => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RetryKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Origin(_) | Self::Host(_) => StatusCode::FORBIDDEN,
            Self::LimitReached(LimitReached::ConnectionsPerIp) => StatusCode::TOO_MANY_REQUESTS,
            Self::LimitReached(_)
            | Self::TooManyRooms
            | Self::RetryKeys
            | Self::Busy
            | Self::Backplane
            | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::MethodNotAllowed(allowed) => {
                response.insert_header((header::ALLOW, *allowed));
            }
            Self::UpgradeRequired | Self::Version => {
                response.insert_header((header::UPGRADE, "websocket"));
                response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
            }
            Self::LimitReached(reached) => {
                response.insert_header((header::RETRY_AFTER, retry_after(*reached)));
            }
            Self::KeyRequired | Self::Key => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::Range(length) => {
                response.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
            }
            Self::RetryKeys => {
                response.insert_header((header::RETRY_AFTER, "10"));
            }
            Self::TooManyRooms | Self::Busy | Self::Backplane => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        response.json(Body { error: self.code(), message: self.to_string() })
    }
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        Self::Backplane
    }
}

/// Returns the sentence about a page of `origin` that may not connect, with the setting that would
/// allow it.
fn about_origin(origin: &str) -> String {
    match origin {
        "null" => {
            "a page without an origin (a file, a sandbox) may not connect here: open it over HTTP, or list \
                   \"null\" in `origins.allowed`"
                .to_owned()
        }
        origin if origin.parse::<OriginPattern>().is_ok() => {
            format!("a page of {origin:?} may not connect here; `origins.allowed` would let it")
        }
        origin => format!("a page of {origin:?} may not connect here: that is not the origin of a page"),
    }
}

/// Returns the sentence about the name `host`, with the setting that would add it, without the
/// port.
fn about_host(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    match name.parse::<HostPattern>() {
        Ok(_) => {
            format!("this server does not answer to the name {name:?} here; `origins.hosts` would add it")
        }
        Err(_) => format!("this server does not answer to {host:?}, which is not a name of a host"),
    }
}

fn sentence(reached: LimitReached) -> &'static str {
    match reached {
        LimitReached::Connections => "the server is full (limits.connections)",
        LimitReached::ConnectionsPerIp => {
            "too many connections from this address (limits.connections_per_ip)"
        }
        LimitReached::ConnectionsPerSecond => "too many connections at once (limits.connections_per_second)",
    }
}

/// Returns the number of seconds after which a retry may succeed.
fn retry_after(reached: LimitReached) -> &'static str {
    match reached {
        LimitReached::ConnectionsPerSecond => "1",
        LimitReached::Connections | LimitReached::ConnectionsPerIp => "10",
    }
}

#[cfg(test)]
mod tests {
    use super::{LimitReached, Refusal::*, *};

    #[test]
    fn a_backplane_that_does_not_answer_is_503_and_says_when_to_try_again() {
        let response = Refusal::from(Unavailable).error_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
    }

    /// Every refusal by status and code, on which clients rely.
    #[test]
    fn every_refusal_is_documented() {
        let refusals = [
            Request(String::new()),
            HeadTooLarge(0),
            TooManyHeaders(0),
            HeadTooSlow,
            Handshake(""),
            RoomName(RoomNameError::Empty),
            Query(String::new()),
            Origin(String::new()),
            Host(String::new()),
            NotFound,
            MethodNotAllowed("GET"),
            UpgradeRequired,
            Version,
            LimitReached(LimitReached::ConnectionsPerIp),
            LimitReached(LimitReached::Connections),
            LimitReached(LimitReached::ConnectionsPerSecond),
            KeyRequired,
            Key,
            TooLarge(0),
            BodyTooSlow,
            Body,
            Encoding,
            Charset,
            NotUtf8,
            Json(String::new()),
            IdempotencyKey,
            RetryKeyReused,
            RetryKeys,
            TooManyRooms,
            Busy,
            Backplane,
            Precondition,
            Range(0),
            File,
            Stopping,
        ];
        let protocol = include_str!("../../docs/protocol.md");
        for refusal in refusals {
            let row = format!("| {} | `{}` | ", refusal.status_code().as_u16(), refusal.code());
            assert!(protocol.contains(&row), "{row}");
        }
    }
}
