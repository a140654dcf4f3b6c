//! The kind of backplane.

use super::text::FromText;
use serde::{Deserialize, Deserializer, Serialize};

/// The kind of backplane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackplaneKind {
    /// The node is alone.
    #[default]
    None,
    /// Several nodes share an order over Redis or Valkey.
    Redis,
}

impl<'de> Deserialize<'de> for BackplaneKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: "\"none\" or \"redis\"",
            parse: |text| match text {
                "none" => Some(Self::None),
                "redis" => Some(Self::Redis),
                _ => None,
            },
        })
    }
}
