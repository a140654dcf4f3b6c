//! The API keys of `publish.keys`.

use crate::{config::Secret, http::refusal::Refusal};
use actix_web::{HttpRequest, http::header};
use subtle::Choice;

/// The keys for everything that not every client may do.
pub struct ApiKeys(Vec<Secret>);

impl ApiKeys {
    /// Accepts each of `keys`.
    pub fn new(keys: Vec<Secret>) -> Self {
        Self(keys)
    }

    /// Accepts a request with one of the keys in `Authorization: Bearer` (RFC 6750 §2.1).
    ///
    /// # Errors
    /// [`Refusal::KeyRequired`] without such a header, [`Refusal::Key`] with another key.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let shown = request.headers().get(header::AUTHORIZATION).ok_or(Refusal::KeyRequired)?;
        let shown = bearer(shown.as_bytes()).ok_or(Refusal::KeyRequired)?;
        // Every key is looked at, so that time tells nothing but lengths.
        let fits = |found: Choice, key: &Secret| found | key.matches(shown);
        match self.0.iter().fold(Choice::from(0), fits).into() {
            true => Ok(()),
            false => Err(Refusal::Key),
        }
    }
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
        let keys = ApiKeys::new(vec!["one-key-of-many-1".into(), "one-key-of-many-2".into()]);
        let request = TestRequest::default().insert_header((header::AUTHORIZATION, authorization));
        keys.check(&request.to_http_request()).map_err(|refusal| refusal.code())
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
