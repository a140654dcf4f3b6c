//! The content of one source: the keys that it sets, and its mistakes.

use super::{diagnostic::Diagnostic, path::SettingPath, source::Source};
use toml::{Spanned, de::DeValue};

/// The content of one source.
#[derive(Default)]
pub struct Parsed<'i> {
    /// The keys that the source sets, in its order.
    pub assignments: Vec<Assignment<'i>>,
    /// The mistakes that were found while parsing.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed<'_> {
    /// Returns the key whose value contains the byte at this index of the source.
    pub fn key_at(&self, byte: usize) -> Option<&SettingPath> {
        let around = self.assignments.iter().find(|assignment| assignment.value.span().contains(&byte));
        around.map(|assignment| &assignment.key)
    }
}

/// An existing key and its value in a source; the value is not validated yet.
pub struct Assignment<'i> {
    /// The key.
    pub key: SettingPath,
    /// The value and its place in the source.
    pub value: Spanned<DeValue<'i>>,
    /// The source.
    pub source: Source<'i>,
}
