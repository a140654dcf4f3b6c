//! A duration that people read and write as `25s`.

use serde::{Deserialize, Deserializer, Serializer, de};
use std::time::Duration;

pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| de::Error::custom("expected a duration such as \"500ms\", \"25s\" or \"2m\""))
}
