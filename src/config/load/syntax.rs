//! Diagnostics of a text that is no TOML.

use super::{
    diagnostic::{Diagnostic, Problem},
    parsed::Parsed,
    source::Source,
};
use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

/// The beginnings of two parser messages that mislead, and their replacements. The parser demands
/// quotes for a value that is missing, and blames the line after a list without an end.
const REPLACEMENTS: [(&str, &str); 2] = [
    ("string values must be quoted", "a value is missing"),
    ("unexpected `=` in array", "the list above has no ] at its end"),
];

/// Turns values without quotes into text, whatever type the parser gave them (`info` begins like
/// the number `inf`); returns their places. Missing quotes are the commonest mistake.
pub fn unquoted<'i>(file: &mut DeTable<'i>, errors: &[Error], text: &'i str) -> Vec<Range<usize>> {
    file.iter_mut().flat_map(|(_, value)| unquoted_in(value, errors, text)).collect()
}

fn unquoted_in<'i>(value: &mut Spanned<DeValue<'i>>, errors: &[Error], text: &'i str) -> Vec<Range<usize>> {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(table) => unquoted(table, errors, text),
        DeValue::Array(items) => items.iter_mut().flat_map(|item| unquoted_in(item, errors, text)).collect(),
        _ if text[span.clone()].starts_with(['"', '\'']) => vec![],
        scalar if errors.iter().any(|error| span.contains(&start(error))) => {
            *scalar = DeValue::String(text[span.clone()].into());
            vec![span]
        }
        _ => vec![],
    }
}

/// Creates the diagnostic of a parser's `error`; `unquoted` and `parsed` are the parts that could
/// still be read.
pub fn diagnostic(error: &Error, source: Source, unquoted: &[Range<usize>], parsed: &Parsed) -> Diagnostic {
    if let Some(value) = unquoted.iter().find(|value| value.contains(&start(error))) {
        let (provenance, found) = source.part(value.clone());
        return Diagnostic { provenance, problem: Problem::quotes(parsed.key_at(value.start), found) };
    }
    let (provenance, found) = source.part(error.span().unwrap_or_default());
    let problem = match error.message() {
        // Only names are shown: a value may be a secret.
        message @ "duplicate key" => Problem::Syntax(format!("{message}: {found}")),
        message => Problem::Syntax(replaced(message).to_owned()),
    };
    Diagnostic { provenance, problem }
}

fn start(error: &Error) -> usize {
    error.span().unwrap_or_default().start
}

fn replaced(message: &str) -> &str {
    let replacement = REPLACEMENTS.iter().find(|(start, _)| message.starts_with(start));
    replacement.map_or_else(|| message.trim_end_matches(", expected nothing"), |(_, text)| text)
}
