//! A duration that operators write as `25s`.

use super::text::FromText;
use serde::{Deserializer, Serializer};
use std::time::Duration;

/// The longest duration, inclusive: in milliseconds it fits the 32 bits of the kernel's timeouts.
const MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Serializes a duration as text such as `25s`.
///
/// # Errors
/// Returns the error of `serializer`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// Deserializes a duration of at most 30 days.
///
/// # Errors
/// Returns an error that names the expected form if the text is no duration, or a longer one.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(FromText {
        expected: "a duration such as \"500ms\", \"25s\" or \"2m\", at most \"30days\"",
        parse: |text| humantime::parse_duration(text).ok().filter(|duration| *duration <= MAX),
    })
}

/// An optional duration.
pub mod optional {
    use super::*;

    /// Serializes the duration, if there is one.
    ///
    /// # Errors
    /// Returns the error of `serializer`.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Deserializes the duration of a key that is present.
    ///
    /// # Errors
    /// Fails as [`super::deserialize`] does.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
