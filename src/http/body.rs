//! What a request says: read within bounds, and taken for text or for bytes.

use super::{refusal::Refusal, unread::Unread};
use crate::wire::Payload;
use actix_web::{HttpRequest, http::header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::{future::poll_fn, time::Duration};
use tokio::time::timeout;

/// Reads a body of at most `most` bytes, for at most `patience`.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::BodyTooSlow`], [`Refusal::Encoding`] if it is compressed, and
/// [`Refusal::Body`] if it breaks off.
pub async fn read(request: &HttpRequest, most: usize, patience: Duration) -> Result<Bytes, Refusal> {
    if announced(request).is_some_and(|length| length > most as u64) {
        return Err(Refusal::TooLarge(most));
    }
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::Encoding);
    }
    timeout(patience, whole(request, most)).await.map_err(|_| Refusal::BodyTooSlow)?
}

async fn whole(request: &HttpRequest, most: usize) -> Result<Bytes, Refusal> {
    let unread = Unread::found(request).ok_or(Refusal::Body)?;
    let mut whole = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| unread.payload().borrow_mut().poll_next_unpin(cx)).await {
        let piece = piece.map_err(|_| Refusal::Body)?;
        if whole.len() + piece.len() > most {
            return Err(Refusal::TooLarge(most));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// How long the body says it is.
pub fn announced(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Types of text are text, byte for byte; everything else is binary.
///
/// # Errors
/// [`Refusal::NotUtf8`], and [`Refusal::Charset`] for text that does not even say that it is UTF-8.
pub fn payload(request: &HttpRequest, body: Bytes) -> Result<Payload, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let content_type = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    if !is_text(essence.trim()) {
        return Ok(Payload::Binary(owned(&body)));
    }
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    if charset.is_some_and(|charset| !["utf-8", "utf8", "us-ascii"].contains(&charset.trim_matches('"'))) {
        return Err(Refusal::Charset);
    }
    let text = simdutf8::basic::from_utf8(&body).map_err(|_| Refusal::NotUtf8)?;
    Ok(Payload::Text(text.into()))
}

/// Form data is what `curl --data` sends if it is not told otherwise.
fn is_text(essence: &str) -> bool {
    const TEXTS: [&str; 4] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
    ];
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || TEXTS.contains(&essence)
}

/// A copy of its own: what was read may be a part of something larger.
fn owned(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn taken_for(content_type: &str, body: &'static [u8]) -> Result<Payload, &'static str> {
        let request = TestRequest::default().insert_header((header::CONTENT_TYPE, content_type));
        payload(&request.to_http_request(), Bytes::from_static(body)).map_err(|refusal| refusal.code())
    }

    #[test]
    fn types_of_text_are_text() {
        for text in [
            "text/plain",
            "TEXT/html; charset=UTF-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/x-www-form-urlencoded",
            "text/plain;charset=\"utf-8\"",
        ] {
            assert_eq!(taken_for(text, b"a"), Ok(Payload::Text("a".into())), "{text}");
        }
    }

    #[test]
    fn everything_else_is_bytes() {
        for binary in ["application/octet-stream", "", "image/png", "textual", "x; text/plain"] {
            assert_eq!(
                taken_for(binary, b"\xff"),
                Ok(Payload::Binary(Bytes::from_static(b"\xff"))),
                "{binary}"
            );
        }
    }

    #[test]
    fn text_is_utf_8() {
        assert_eq!(taken_for("text/plain", b"\xff"), Err("not_utf8"));
        assert_eq!(taken_for("text/plain; charset=latin1", b"a"), Err("charset"));
    }
}
