//! A mistake in a configuration, and its message to the operator.

use super::{
    path::SettingPath,
    redact,
    source::{Provenance, Source},
};
use toml::de::Error;

/// The longest part of a value that a message shows, in characters, inclusive.
const EXCERPT: usize = 80;

/// One mistake and its place.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{provenance}: {problem}")]
pub struct Diagnostic {
    /// The place of the mistake.
    pub provenance: Provenance,
    /// The mistake and, where there is one, its remedy.
    pub problem: Problem,
}

/// The kinds of mistakes.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The text is no TOML; contains the error of the parser.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key, section or variable does not exist.
    #[error("unknown {what}; {remedy}")]
    Unknown { what: String, remedy: String },
    /// A section is used as a key.
    #[error("{0} is a section: write [{0}] and its keys below it")]
    Section(SettingPath),
    /// A value has the wrong type or form.
    #[error("{key} = {found}: {reason}")]
    Value { key: SettingPath, found: String, reason: String },
    /// A value violates a constraint.
    #[error("{0}")]
    Constraint(String),
    /// A text is not in quotes.
    #[error("{0}")]
    Quotes(String),
}

impl Diagnostic {
    /// Creates the diagnostic of a value of `key` that was refused; the span of `error` is the
    /// wrong part of the value.
    pub fn value(key: &SettingPath, error: &Error, source: Source) -> Self {
        let (provenance, found) = source.part(error.span().unwrap_or_default());
        Self { provenance, problem: Problem::value(key, found, expectation(error.message())) }
    }
}

impl Problem {
    /// Creates the problem of a value that was refused; secrets in `found` are masked.
    pub fn value(key: &SettingPath, found: &str, reason: &str) -> Self {
        let found = excerpt(&redact::redact_text(key, found));
        Self::Value { key: key.clone(), found, reason: reason.to_owned() }
    }

    /// Creates the problem of a text without quotes. Without a key the text is not shown, because
    /// it may be a secret.
    pub fn quotes(key: Option<&SettingPath>, found: &str) -> Self {
        let Some(key) = key else { return Self::Quotes("text must stand in quotes".to_owned()) };
        let found = excerpt(&redact::redact_text(key, found));
        Self::Quotes(format!("{key} = {found}: expected quotes: \"{found}\""))
    }
}

/// Returns the expected type in serde's `message`, without the found value, which is shown already.
/// The types of Rust's numbers are translated, because an operator need not know them.
fn expectation(message: &str) -> &str {
    match message.rfind("expected ").map_or(message, |at| &message[at..]) {
        "expected usize" | "expected u32" => "expected a whole number, 0 or more",
        expected => expected,
    }
}

/// Returns the first line of `value`, without control characters and at most 80 characters long.
pub fn excerpt(value: &str) -> String {
    let value = value.trim();
    let line = value.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|letter| !letter.is_control()).take(EXCERPT).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
