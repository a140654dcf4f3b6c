//! Merges the sources into settings: one value after the other, each validated by itself.

use super::{
    constraints::{self, Constraint},
    diagnostic::{Diagnostic, Problem},
    error::Diagnostics,
    loaded::Loaded,
    parsed::{Assignment, Parsed},
    path::SettingPath,
    source::Provenance,
    tree,
};
use crate::config::Settings;
use serde::Deserialize;
use std::{collections::BTreeMap, iter};
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, Error, ValueDeserializer},
};

/// The values that were accepted so far, and the diagnostics of those that were refused.
pub struct Merge {
    values: Value,
    provenance: BTreeMap<SettingPath, Provenance>,
    diagnostics: Vec<Diagnostic>,
}

impl Merge {
    /// Begins with the defaults.
    pub fn new(defaults: Value) -> Self {
        Self { values: defaults, provenance: BTreeMap::new(), diagnostics: Vec::new() }
    }

    /// Merges a source, whose values replace those of earlier sources.
    pub fn take(&mut self, parsed: Parsed) {
        self.diagnostics.extend(parsed.diagnostics);
        for assignment in parsed.assignments {
            self.set(assignment);
        }
    }

    /// Returns the settings.
    ///
    /// # Errors
    /// Returns all diagnostics: of the sources, of refused values, and of violated constraints.
    ///
    /// # Panics
    /// Panics if values that were accepted one by one are no settings together, which cannot
    /// happen.
    pub fn finish(mut self) -> Result<Loaded, Diagnostics> {
        let settings = Settings::deserialize(self.values).expect("each value was accepted alone");
        let loaded = Loaded { settings, file: None, provenance: self.provenance };
        let broken = constraints::broken(&loaded.settings).into_iter();
        let reported = broken
            .filter(|constraint| !is_in_doubt(constraint, &self.diagnostics))
            .map(|constraint| constraint.violation(&loaded));
        let reported: Vec<_> = reported.collect();
        self.diagnostics.extend(reported);
        if self.diagnostics.is_empty() { Ok(loaded) } else { Err(Diagnostics::new(self.diagnostics)) }
    }

    fn set(&mut self, Assignment { key, value, source }: Assignment) {
        match try_value(&key, value.clone()) {
            Ok(()) => {
                let accepted = Value::deserialize(ValueDeserializer::from(value.clone()));
                *tree::value_mut(&mut self.values, &key) =
                    accepted.expect("settings are read from such values");
                self.provenance.insert(key, source.provenance(value.span().start));
            }
            Err(error) => {
                let elements = elements(value).filter_map(|element| try_value(&key, element).err());
                let errors = iter::once(error).chain(elements);
                self.diagnostics.extend(errors.map(|error| Diagnostic::value(&key, &error, source)));
            }
        }
    }
}

/// Deserializes the defaults with this value alone; returns the error of serde, if any.
fn try_value<'i>(key: &SettingPath, value: Spanned<DeValue<'i>>) -> Result<(), Error> {
    let nested = key.names().rfold(value, |inner, name| {
        let span = inner.span();
        let name = Spanned::new(span.clone(), name.to_owned().into());
        Spanned::new(span, DeValue::Table(DeTable::from_iter([(name, inner)])))
    });
    Settings::deserialize(ValueDeserializer::from(nested)).map(drop)
}

/// Returns each element of a list as a list of its own, to validate it by itself; nothing for
/// another value.
fn elements<'i>(value: Spanned<DeValue<'i>>) -> impl Iterator<Item = Spanned<DeValue<'i>>> {
    let span = value.span();
    let elements = match value.into_inner() {
        DeValue::Array(elements) => Vec::from_iter(elements),
        _ => Vec::new(),
    };
    elements
        .into_iter()
        .map(move |element| Spanned::new(span.clone(), DeValue::Array(iter::once(element).collect())))
}

/// Returns true if a value in this constraint was refused, so that its default was checked instead.
fn is_in_doubt(constraint: &Constraint, diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| match &diagnostic.problem {
        Problem::Value { key, .. } => constraint.is_about(key),
        _ => false,
    })
}
