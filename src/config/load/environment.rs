//! The variables of the environment that set keys: `WORLDCAST_SESSION__MAX_MESSAGE=128KiB`.

use super::{
    diagnostic::{Diagnostic, Problem},
    parsed::{Assignment, Parsed},
    path::SettingPath,
    renamed::present_name,
    source::{Provenance, Source},
    suggest::nearest,
    tree::leaves,
};
use std::{ffi::OsString, net::SocketAddr};
use toml::{
    Spanned, Value,
    de::{DeArray, DeValue, Error},
};

const PREFIX: &str = "WORLDCAST_";

/// Says which tests must not be skipped; the server has no use for it.
const REQUIRE: &str = "WORLDCAST_REQUIRE";

const MALFORMED_LIST: &str = "expected values with commas between them, or a list as in a file";

/// The variables of the server, by name.
pub struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// Keeps the variables of the server, sorted by name.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        let mut ours: Vec<_> = variables.into_iter().filter_map(named).filter(is_ours).collect();
        ours.sort();
        Self(ours)
    }

    /// The keys that are set, each of which must be among those of `defaults`.
    pub fn read(&self, defaults: &Value) -> Parsed<'_> {
        let known = leaves(defaults);
        let mut parsed = Parsed::default();
        for (name, value) in &self.0 {
            match assignment(name, value, &known) {
                Ok(assignment) => parsed.assignments.push(assignment),
                Err(problem) => parsed
                    .diagnostics
                    .push(Diagnostic { provenance: Provenance::Variable(name.clone()), problem }),
            }
        }
        parsed
    }
}

/// Returns true for a variable with our prefix, unless Kubernetes or Docker sets it for a service
/// that is called worldcast (`WORLDCAST_SERVICE_HOST`, `WORLDCAST_PORT=tcp://10.0.0.1:80`,
/// `WORLDCAST_PORT_80_TCP`).
fn is_ours((name, value): &(String, OsString)) -> bool {
    let of_a_service = name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || name.ends_with("_PORT") && value.to_string_lossy().contains("://");
    name.starts_with(PREFIX) && name != REQUIRE && !of_a_service
}

fn assignment<'i>(
    name: &'i str,
    value: &'i OsString,
    known: &[(SettingPath, &Value)],
) -> Result<Assignment<'i>, Problem> {
    let Some((key, default)) = known.iter().find(|(key, _)| key.variable() == name) else {
        return Err(Problem::Unknown { what: "variable".to_owned(), remedy: remedy(name, known) });
    };
    let Some(text) = value.to_str() else {
        return Err(Problem::value(key, &value.to_string_lossy(), "expected text in UTF-8"));
    };
    let value = value_like(default, text).map_err(|_| Problem::value(key, text, MALFORMED_LIST))?;
    Ok(Assignment { key: key.clone(), value, source: Source::Variable { name, text } })
}

fn remedy(unknown: &str, known: &[(SettingPath, &Value)]) -> String {
    let path = unknown[PREFIX.len()..].to_lowercase().replace("__", ".");
    let path = SettingPath::from(path.as_str());
    if let Some(present) = present_name(&path) {
        return format!("it is called {} now", present.variable());
    }
    match nearest(&path, known.iter().map(|(key, _)| key.clone())) {
        Some(key) => format!("did you mean {}?", key.variable()),
        None => "`worldcast defaults` shows every key".to_owned(),
    }
}

/// The value that a variable's text stands for, given what kind of value its key has.
fn value_like<'i>(default: &Value, text: &'i str) -> Result<Spanned<DeValue<'i>>, Error> {
    let plain = Spanned::new(0..text.len(), DeValue::String(text.into()));
    match default {
        Value::String(_) => Ok(plain),
        Value::Array(_) if text.starts_with('[') && !begins_with_address(text) => DeValue::parse(text),
        Value::Array(_) => Ok(list(text)),
        _ => Ok(DeValue::parse(text).unwrap_or(plain)),
    }
}

/// `[::]:8080` is no list of TOML, although it begins like one.
fn begins_with_address(text: &str) -> bool {
    text.split(',').next().is_some_and(|first| first.trim().parse::<SocketAddr>().is_ok())
}

/// The items between commas; empty text is an empty list.
fn list(text: &str) -> Spanned<DeValue<'_>> {
    let mut end = 0;
    let spanned = |item: &'_ str| {
        let start = end;
        end += item.len() + ",".len();
        Spanned::new(start..start + item.len(), DeValue::String(item.trim().to_owned().into()))
    };
    let items = text.split(',').map(spanned);
    let items = items.filter(|item| item.get_ref().as_str() != Some(""));
    Spanned::new(0..text.len(), DeValue::Array(items.collect::<DeArray>()))
}
