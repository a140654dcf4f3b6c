//! The proof that whoever comes back is who it says it is.

use crate::ids::SessionId;
use std::hash::{BuildHasher, RandomState};
use subtle::ConstantTimeEq;

/// A secret of this process, under which ids can be sealed: nothing is remembered for those who may come back.
///
/// 64 bits of SipHash under a random key: to be guessed through a network only, one handshake a guess.
#[derive(Clone, Default)]
pub struct SessionTokens(RandomState);

impl SessionTokens {
    /// What a client shows when it comes back: `<who>-<16 hexadecimal digits>`.
    pub fn issue(&self, who: SessionId) -> String {
        format!("{who}-{:016x}", self.0.hash_one(who))
    }

    /// Who shows `issue`; `None` if this process did not seal it.
    pub fn verify(&self, issue: &str) -> Option<SessionId> {
        let (who, _) = issue.split_once('-')?;
        let who = who.parse().ok()?;
        let is_ours = self.issue(who).as_bytes().ct_eq(issue.as_bytes()); // time tells a guesser nothing
        bool::from(is_ours).then_some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_here_is_opened() {
        let (tokens, who) = (SessionTokens::default(), SessionId::next());
        let issue = tokens.issue(who);
        assert_eq!(tokens.verify(&issue), Some(who));
        assert_eq!(SessionTokens::default().verify(&issue), None, "another process");
        let (_, proof) = issue.split_once('-').unwrap();
        let other = SessionId::next();
        for forged in ["", "-", "1", &format!("{other}-{proof}"), &format!("+{issue}"), &format!("0{issue}")]
        {
            assert_eq!(tokens.verify(forged), None, "{forged}");
        }
    }
}
