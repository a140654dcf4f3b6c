//! What can be wrong in a configuration, and how an operator is told.

use super::{
    path::SettingPath,
    redact,
    source::{Provenance, Source},
};
use toml::de::Error;

/// The most letters of a value that a message shows.
const EXCERPT: usize = 80;

/// One thing that is wrong, and where.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{provenance}: {problem}")]
pub struct Diagnostic {
    pub provenance: Provenance,
    pub problem: Problem,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("not TOML: {0}")]
    Syntax(String),
    #[error("unknown {what}; {remedy}")]
    Unknown { what: String, remedy: String },
    #[error("{0} is a section: write [{0}] and its keys below it")]
    Section(SettingPath),
    #[error("{key} = {found}: {reason}")]
    Value { key: SettingPath, found: String, reason: String },
    #[error("{0}")]
    Constraint(String),
    #[error("{0}")]
    Quotes(String),
}

impl Diagnostic {
    /// The value of `key` is not what it should be, or `error` says which part of it is not.
    pub fn value(key: &SettingPath, error: &Error, source: Source) -> Self {
        let (provenance, found) = source.part(error.span().unwrap_or_default());
        Self { provenance, problem: Problem::value(key, found, expectation(error.message())) }
    }
}

impl Problem {
    pub fn value(key: &SettingPath, found: &str, reason: &str) -> Self {
        let found = excerpt(&redact::redact_text(key, found));
        Self::Value { key: key.clone(), found, reason: reason.to_owned() }
    }

    /// A text without quotes; where the key is unknown, so is whether the text is a secret.
    pub fn quotes(key: Option<&SettingPath>, found: &str) -> Self {
        let Some(key) = key else { return Self::Quotes("text must stand in quotes".to_owned()) };
        let found = excerpt(&redact::redact_text(key, found));
        Self::Quotes(format!("{key} = {found}: expected quotes: \"{found}\""))
    }
}

/// The names that serde has for what it expects, and what an operator calls the same.
const WORDS: [(&str, &str); 7] = [
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected a boolean", "expected true or false"),
    ("expected a string", "expected text in quotes"),
    ("expected path string", "expected a path in quotes"),
    ("expected a sequence", "expected a list such as [\"one\", \"two\"]"),
    ("integer number overflowed", "expected a whole number below 2^64"),
];

/// What was expected: serde says first what it found, which is shown already.
fn expectation(message: &str) -> &str {
    let expected = message.rfind("expected ").map_or(message, |at| &message[at..]);
    WORDS.iter().find(|(serde, _)| *serde == expected).map_or(expected, |(_, ours)| ours)
}

/// So much of a value as fits into a line of a message.
pub fn excerpt(value: &str) -> String {
    let value = value.trim();
    let line = value.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|letter| !letter.is_control()).take(EXCERPT).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
