//! The level of the log, written in lower case.

use super::text::FromText;
use log::LevelFilter;
use serde::{Deserializer, Serializer};

/// Serializes a level in lower case.
///
/// # Errors
/// Returns the error of `serializer`.
pub fn serialize<S: Serializer>(level: &LevelFilter, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&level.as_str().to_lowercase())
}

/// Deserializes a level.
///
/// # Errors
/// Returns an error that lists the levels if the text is none of them.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LevelFilter, D::Error> {
    deserializer.deserialize_str(FromText {
        expected: "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        parse: |text| text.parse().ok(),
    })
}
