//! What one source says: the keys that it sets, and what could not be understood.

use super::{key::Key, mistake::Mistake, origin::Source};
use toml::{Spanned, de::DeValue};

#[derive(Default)]
pub struct Reading<'i> {
    pub assignments: Vec<Assignment<'i>>,
    pub mistakes: Vec<Mistake>,
}

impl<'i> Reading<'i> {
    /// The assignment whose value contains a byte of the source.
    pub fn assigned(&self, at: usize) -> Option<&Assignment<'i>> {
        self.assignments.iter().find(|assignment| assignment.value.span().contains(&at))
    }
}

/// A key that exists, and the value that somebody gave it; whether it may have this value is not known yet.
pub struct Assignment<'i> {
    pub key: Key,
    pub value: Spanned<DeValue<'i>>,
    pub source: Source<'i>,
}
