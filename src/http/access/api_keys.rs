//! The API key of a request.

use crate::{
    http::{AppState, refusal::Refusal},
    policy::ApiKeys,
};
use actix_web::{HttpRequest, http::header};

impl AppState {
    /// Accepts a request with one of `publish.keys` in `Authorization: Bearer` (RFC 6750 §2.1).
    ///
    /// # Errors
    /// [`Refusal::KeyRequired`] without such a header, [`Refusal::Key`] with another key.
    pub fn check_key(&self, request: &HttpRequest) -> Result<(), Refusal> {
        check(&self.shared.policy.load().keys, request)
    }
}

fn check(keys: &ApiKeys, request: &HttpRequest) -> Result<(), Refusal> {
    let shown = request.headers().get(header::AUTHORIZATION).ok_or(Refusal::KeyRequired)?;
    let shown = bearer(shown.as_bytes()).ok_or(Refusal::KeyRequired)?;
    if keys.accept(shown) { Ok(()) } else { Err(Refusal::Key) }
}

/// Returns the credentials of the scheme `Bearer`, whose name is not case-sensitive (RFC 9110
/// §11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = authorization.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn check(authorization: &str) -> Result<(), &'static str> {
        let keys = ApiKeys::new(&["one-key-of-many-1".into(), "one-key-of-many-2".into()]);
        let request = TestRequest::default().insert_header((header::AUTHORIZATION, authorization));
        super::check(&keys, &request.to_http_request()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn each_key_opens_and_nothing_else_does() {
        assert_eq!(check("Bearer one-key-of-many-1"), Ok(()));
        assert_eq!(check("bearer  one-key-of-many-2"), Ok(()));
        for wrong in
            ["Bearer one-key-of-many-3", "Bearer one-key-of-many", "Bearer one-key-of-many-11", "Bearer "]
        {
            assert_eq!(check(wrong), Err("key"), "{wrong}");
        }
        for other in ["", "Basic one-key-of-many-1", "one-key-of-many-1", "Bearer"] {
            assert_eq!(check(other), Err("key_required"), "{other}");
        }
    }
}
