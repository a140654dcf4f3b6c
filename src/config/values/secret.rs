//! A secret of the configuration: never shown, compared in constant time, wiped when it is dropped.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::{Choice, ConstantTimeEq};

/// The text that stands for a secret wherever people look.
pub const MASK: &str = "***";

/// A secret setting. `Debug` and `Serialize` mask it, and it has no `Display`, so that it reaches
/// neither a log nor an error message nor the output of `worldcast check`.
#[derive(Clone, Debug, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself, for the code that uses it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares with what a client shows; the time that it takes tells nothing but lengths.
    pub fn matches(&self, shown: &[u8]) -> Choice {
        self.expose().as_bytes().ct_eq(shown)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose().as_bytes()).into()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// Masked: a setting that is shown is not read again.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.expose().is_empty() { "" } else { MASK })
    }
}
