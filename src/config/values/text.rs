//! A value that operators write as text in quotes, and the error if it cannot be parsed.

use serde::de::{Error, Unexpected, Visitor};
use std::fmt;

/// A serde visitor that parses a `T` from text.
pub struct FromText<T> {
    /// The expected form; completes the sentence "expected …".
    pub expected: &'static str,
    /// The parser; it returns `None` for text of another form.
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
