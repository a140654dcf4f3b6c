//! The configuration as it comes together: one value after the other, each tried alone.

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

/// The values so far, beginning with the defaults, and what is wrong with those that were refused.
pub struct Merge {
    values: Value,
    provenance: BTreeMap<SettingPath, Provenance>,
    diagnostics: Vec<Diagnostic>,
}

impl Merge {
    pub fn new(defaults: Value) -> Self {
        Self { values: defaults, provenance: BTreeMap::new(), diagnostics: Vec::new() }
    }

    /// Takes what a source says over what was said before.
    pub fn take(&mut self, parsed: Parsed) {
        self.diagnostics.extend(parsed.diagnostics);
        for assignment in parsed.assignments {
            self.set(assignment);
        }
    }

    /// The settings, or everything that is wrong with them.
    pub fn finish(mut self) -> Result<Loaded, Diagnostics> {
        let settings = Settings::deserialize(self.values).expect("each value was accepted alone");
        let loaded = Loaded { settings, provenance: self.provenance };
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

/// Says why there are no settings with nothing but this value, if there are none.
fn try_value<'i>(key: &SettingPath, value: Spanned<DeValue<'i>>) -> Result<(), Error> {
    let nested = key.names().rfold(value, |inner, name| {
        let span = inner.span();
        let name = Spanned::new(span.clone(), name.to_owned().into());
        Spanned::new(span, DeValue::Table(DeTable::from_iter([(name, inner)])))
    });
    Settings::deserialize(ValueDeserializer::from(nested)).map(drop)
}

/// The elements of a list, each as a list of its own, so that each can be judged; of anything else, none.
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

/// Whether the rule judges a default that stands in for a value that was refused.
fn is_in_doubt(constraint: &Constraint, diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| match &diagnostic.problem {
        Problem::Value { key, .. } => constraint.is_about(key),
        _ => false,
    })
}
