//! The proof that whoever comes back is who it says it is.

use crate::room::SessionId;
use std::hash::{BuildHasher, RandomState};
use subtle::ConstantTimeEq;

/// A secret of this process, under which ids can be sealed: nothing is remembered for those who may come back.
///
/// 64 bits of SipHash under a random key: to be guessed through a network only, one handshake a guess.
#[derive(Clone, Default)]
pub struct Seal(RandomState);

impl Seal {
    /// What a client shows when it comes back: `<who>-<16 hexadecimal digits>`.
    pub fn sealed(&self, who: SessionId) -> String {
        format!("{who}-{:016x}", self.0.hash_one(who))
    }

    /// Who shows `sealed`; `None` if this process did not seal it.
    pub fn opened(&self, sealed: &str) -> Option<SessionId> {
        let (who, _) = sealed.split_once('-')?;
        let who = who.parse().ok()?;
        let is_ours = self.sealed(who).as_bytes().ct_eq(sealed.as_bytes()); // time tells a guesser nothing
        bool::from(is_ours).then_some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_here_is_opened() {
        let (seal, who) = (Seal::default(), SessionId::next());
        let sealed = seal.sealed(who);
        assert_eq!(seal.opened(&sealed), Some(who));
        assert_eq!(Seal::default().opened(&sealed), None, "another process");
        let (_, proof) = sealed.split_once('-').unwrap();
        let other = SessionId::next();
        for forged in
            ["", "-", "1", &format!("{other}-{proof}"), &format!("+{sealed}"), &format!("0{sealed}")]
        {
            assert_eq!(seal.opened(forged), None, "{forged}");
        }
    }
}
