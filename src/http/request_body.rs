//! The body of a request: read within bounds, as text or as bytes.

use super::refusal::Refusal;
use crate::{
    clock::timeout,
    limits::{Pool, Reservation, SMALLEST_STEP, Source},
    wire::Payload,
};
use actix_web::{HttpRequest, http::header, web};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};

/// The bounds within which a body is read.
pub struct BodyReader<'a> {
    /// The pool of all bodies that are being read.
    pub pool: &'a Arc<Pool>,
    /// The source to whose share of the pool the body is charged.
    pub source: Source,
    /// The largest body in bytes, inclusive.
    pub most: usize,
    /// The longest time for the whole body.
    pub within: Duration,
    /// The part of that time for which it may wait for a share of the pool.
    pub patience: Duration,
}

/// A complete body, with its share of the pool; an empty body holds none.
pub struct RequestBody {
    /// The content.
    pub bytes: Vec<u8>,
    /// Held until the body is dropped.
    pub reservation: Option<Reservation>,
}

impl BodyReader<'_> {
    /// Reads the body of `request`. Only received bytes are charged to the pool, and a quarter of
    /// them in advance.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::BodyTooSlow`], [`Refusal::Encoding`] if it is compressed,
    /// [`Refusal::Busy`] if no share of the pool becomes free, and [`Refusal::Body`] if it ends
    /// early.
    pub async fn read(&self, request: &HttpRequest, payload: web::Payload) -> Result<RequestBody, Refusal> {
        if announced(request).is_some_and(|length| length > self.most as u64) {
            return Err(Refusal::TooLarge(self.most));
        }
        if request.headers().get_all(header::CONTENT_ENCODING).any(|encoding| encoding != "identity") {
            return Err(Refusal::Encoding);
        }
        timeout(self.within, self.whole(request, payload)).await.map_err(|_| Refusal::BodyTooSlow)?
    }

    async fn whole(&self, request: &HttpRequest, mut payload: web::Payload) -> Result<RequestBody, Refusal> {
        let most = announced(request).map_or(self.most, |length| length as usize);
        let mut body = RequestBody { bytes: Vec::new(), reservation: None };
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| Refusal::Body)?;
            if body.bytes.len() + piece.len() > most {
                return Err(Refusal::TooLarge(self.most));
            }
            self.make_space(&mut body, piece.len(), most).await?;
            body.bytes.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Enlarges `body` for `more` bytes, and in larger steps than that to do so seldom, up to
    /// `most`.
    async fn make_space(&self, body: &mut RequestBody, more: usize, most: usize) -> Result<(), Refusal> {
        let (held, length) = (body.reservation.as_ref().map_or(0, Reservation::bytes), body.bytes.len());
        if more == 0 || length + more <= held {
            return Ok(());
        }
        let step = more.max((length / 4).max(SMALLEST_STEP)).min(most - length);
        let growth = length + step - held;
        let is_reserved = match &mut body.reservation {
            Some(reservation) => reservation.grow(growth, self.patience).await,
            none => {
                *none = self.pool.reserve(self.source, growth, self.patience).await;
                none.is_some()
            }
        };
        if !is_reserved {
            return Err(Refusal::Busy);
        }
        body.bytes.reserve_exact(step);
        Ok(())
    }
}

/// Returns the `Content-Length` of the request.
pub fn announced(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Converts a body into a payload: types of text into text, byte for byte, everything else into
/// binary.
///
/// # Errors
/// [`Refusal::NotUtf8`], and [`Refusal::Charset`] for text whose type names another charset than
/// UTF-8.
pub fn payload(request: &HttpRequest, body: &[u8]) -> Result<Payload, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let content_type = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    if !is_text(essence.trim()) {
        return Ok(Payload::Binary(Bytes::copy_from_slice(body)));
    }
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    if charset.is_some_and(|charset| !["utf-8", "utf8", "us-ascii"].contains(&charset.trim_matches('"'))) {
        return Err(Refusal::Charset);
    }
    let text = simdutf8::basic::from_utf8(body).map_err(|_| Refusal::NotUtf8)?;
    Ok(Payload::Text(text.into()))
}

/// Returns true for types of text. `curl --data` declares form data unless told otherwise.
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn taken_for(content_type: &str, body: &'static [u8]) -> Result<Payload, &'static str> {
        let request = TestRequest::default().insert_header((header::CONTENT_TYPE, content_type));
        payload(&request.to_http_request(), body).map_err(|refusal| refusal.code())
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
