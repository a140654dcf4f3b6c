//! Session tokens, by which a client proves that it is the speaker of an earlier session. The
//! server stores nothing for them.

use crate::ids::SpeakerId;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::{Arc, OnceLock};

/// Bytes of the authentication code in a token: HMAC-SHA-256, cut to 128 bits (RFC 2104 §5).
const CODE: usize = 16;

/// Issues and verifies session tokens under one secret.
#[derive(Clone)]
pub struct SessionTokens {
    own: Hmac<Sha256>,
    /// The secret that all nodes share, once it is known.
    shared: Arc<OnceLock<Hmac<Sha256>>>,
}

impl SessionTokens {
    /// Creates tokens under `secret`, valid in every process with the same secret. An empty secret
    /// means 256 random bits, whose tokens end with this process.
    ///
    /// # Panics
    /// If `secret` is empty and the kernel gives no random bytes.
    pub fn new(secret: &str) -> Self {
        let mut random = [0; 32];
        let key = match secret {
            "" => {
                getrandom::fill(&mut random).expect("the kernel gives random bytes");
                &random[..]
            }
            secret => secret.as_bytes(),
        };
        Self { own: under(key), shared: Arc::default() }
    }

    /// Issues tokens under `secret` from now on, in all clones. Those that were issued before remain
    /// valid in this process. Only the first call has an effect.
    pub fn share(&self, secret: &[u8]) {
        self.shared.get_or_init(|| under(secret));
    }

    /// Returns the token of `who`: `<who>-<22 characters of base64url>`.
    pub fn issue(&self, who: SpeakerId) -> String {
        let code = authenticate(self.shared.get().unwrap_or(&self.own), who).finalize().into_bytes();
        format!("{who}-{}", BASE64_URL_SAFE_NO_PAD.encode(&code[..CODE]))
    }

    /// Returns the speaker to whom `token` was issued; `None` if it was not issued under this
    /// secret. The comparison takes constant time.
    pub fn verify(&self, token: &str) -> Option<SpeakerId> {
        let (who, code) = token.split_once('-')?;
        let (who, code) = (who.parse().ok()?, BASE64_URL_SAFE_NO_PAD.decode(code).ok()?);
        let is_of = |key: &Hmac<Sha256>| authenticate(key, who).verify_truncated_left(&code).is_ok();
        let is_ours = code.len() == CODE && (self.shared.get().is_some_and(is_of) || is_of(&self.own));
        is_ours.then_some(who)
    }
}

fn under(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn authenticate(key: &Hmac<Sha256>, who: SpeakerId) -> Hmac<Sha256> {
    let mut code = key.clone();
    code.update(b"worldcast session ");
    code.update(who.to_string().as_bytes());
    code
}

impl Default for SessionTokens {
    /// Tokens under a random secret.
    fn default() -> Self {
        Self::new("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_verified_under_its_secret_only() {
        let (tokens, who) = (SessionTokens::default(), SpeakerId::next());
        let token = tokens.issue(who);
        assert_eq!(tokens.verify(&token), Some(who));
        assert_eq!(SessionTokens::default().verify(&token), None, "another random secret");
        let (_, code) = token.split_once('-').unwrap();
        let other = SpeakerId::next();
        let cut = &token[..token.len() - 2];
        for forged in
            ["", "-", "1", cut, &format!("{other}-{code}"), &format!("+{token}"), &format!("{token}A")]
        {
            assert_eq!(tokens.verify(forged), None, "{forged}");
        }
    }

    #[test]
    fn a_shared_secret_joins_processes_and_voids_no_token() {
        let (one, other) = (SessionTokens::default(), SessionTokens::default());
        let who = SpeakerId::next();
        let early = one.issue(who);
        assert_eq!(other.verify(&early), None);
        one.clone().share(b"a secret of all nodes");
        other.share(b"a secret of all nodes");
        other.share(b"another one");
        assert_eq!(other.verify(&one.issue(who)), Some(who));
        assert_eq!(one.verify(&early), Some(who), "issued before the secret was known");
        assert_eq!(other.verify(&early), None, "of another process");
    }

    #[test]
    fn a_configured_secret_makes_the_same_tokens_in_every_process() {
        let secret = "a secret of at least thirty-two bytes";
        let who = "0000000000001".parse().unwrap();
        let token = SessionTokens::new(secret).issue(who);
        assert_eq!(
            token, "0000000000001-f6-fWyUcwRukfmy9EEMYkw",
            "as another implementation of HMAC computes it"
        );
        assert_eq!(SessionTokens::new(secret).verify(&token), Some(who));
        assert_eq!(SessionTokens::new("another secret of that many bytes!").verify(&token), None);
    }
}
