//! The keys of `publish.keys`, as plain data.

use crate::config::Secret;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// The keys of publishers, as digests: the keys themselves are nowhere in memory.
#[derive(Clone, PartialEq)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// Accepts each of `keys`.
    pub fn new(keys: &[Secret]) -> Self {
        Self(keys.iter().map(|key| digest(key.expose().as_bytes())).collect())
    }

    /// Returns true without keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if `shown` is one of the keys. The time does not depend on how much of a key
    /// matches: digests are compared, and every key is compared.
    pub fn accept(&self, shown: &[u8]) -> bool {
        let shown = digest(shown);
        let fits = |found: Choice, key: &[u8; 32]| found | key.ct_eq(&shown);
        self.0.iter().fold(Choice::from(0), fits).into()
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}
