//! What one source says: the keys that it sets, and what could not be understood.

use super::{diagnostic::Diagnostic, path::SettingPath, source::Source};
use toml::{Spanned, de::DeValue};

#[derive(Default)]
pub struct Parsed<'i> {
    pub assignments: Vec<Assignment<'i>>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed<'_> {
    /// The key whose value a byte of the source belongs to.
    pub fn key_at(&self, byte: usize) -> Option<&SettingPath> {
        let around = self.assignments.iter().find(|assignment| assignment.value.span().contains(&byte));
        around.map(|assignment| &assignment.key)
    }
}

/// A key that exists, and the value that somebody gave it; whether it may have this value is not known yet.
pub struct Assignment<'i> {
    pub key: SettingPath,
    pub value: Spanned<DeValue<'i>>,
    pub source: Source<'i>,
}
