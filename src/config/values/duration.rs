//! A duration that people read and write as `25s`.

use super::text::FromText;
use serde::{Deserializer, Serializer};
use std::time::Duration;

/// The longest duration: in milliseconds it fits the 32 bits that the kernel has for one.
const MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(FromText {
        expected: "a duration such as \"500ms\", \"25s\" or \"2m\", at most \"30days\"",
        parse: |text| humantime::parse_duration(text).ok().filter(|duration| *duration <= MAX),
    })
}

/// A duration that may be left out.
pub mod optional {
    use super::*;

    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
