//! A value that people write as text in quotes, and what to tell them when it cannot be read.

use serde::de::{Error, Unexpected, Visitor};
use std::fmt;

/// Reads a `T` from text; `expected` completes the sentence "expected …".
pub struct FromText<T> {
    pub expected: &'static str,
    pub parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}
