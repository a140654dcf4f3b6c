//! What is said about a text that is not TOML.

use super::{
    mistake::{Mistake, Problem},
    origin::Source,
    reading::Reading,
};
use toml::de::Error;

/// What the parser complains about when text has no quotes, the commonest slip: `25s`, `info` (as in `inf`).
const WITHOUT_QUOTES: [&str; 4] =
    ["string values must be quoted", "invalid float", "invalid boolean", "invalid integer"];

/// The mistake behind the parser's `error`; none in the value of an unknown key, which is reported anyway.
pub fn mistake(error: &Error, source: Source, reading: &Reading) -> Option<Mistake> {
    let (origin, found) = source.excerpt(error.span());
    let message = error.message();
    let without_quotes = WITHOUT_QUOTES.iter().any(|start| message.starts_with(start));
    let problem = match (without_quotes, found.as_str()) {
        (true, "") => Problem::Syntax("a value is missing".to_owned()),
        (true, text) => Problem::quotes(&reading.assigned(error.span()?.start)?.key, text),
        // Only names are shown: a value may be a secret.
        (false, name) if message == "duplicate key" => Problem::Syntax(format!("{message}: {name}")),
        _ => Problem::Syntax(message.to_owned()),
    };
    Some(Mistake { origin, problem })
}
