//! The configuration as it comes together: one value after the other, each tried alone.

use super::{
    Settings,
    error::Mistakes,
    key::Key,
    loaded::Loaded,
    mistake::{Mistake, Problem},
    origin::Origin,
    reading::{Assignment, Reading},
    rules::{self, Rule},
    tree,
};
use serde::Deserialize;
use std::{collections::BTreeMap, iter};
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, Error, ValueDeserializer},
};

/// The values so far, beginning with the defaults, and what is wrong with those that were refused.
pub struct Draft {
    values: Value,
    origins: BTreeMap<Key, Origin>,
    mistakes: Vec<Mistake>,
}

impl Draft {
    pub fn new(defaults: Value) -> Self {
        Self { values: defaults, origins: BTreeMap::new(), mistakes: Vec::new() }
    }

    /// Takes what a source says over what was said before.
    pub fn take(&mut self, reading: Reading) {
        self.mistakes.extend(reading.mistakes);
        for assignment in reading.assignments {
            self.set(assignment);
        }
    }

    /// The settings, or everything that is wrong with them.
    pub fn finish(mut self) -> Result<Loaded, Mistakes> {
        let settings = Settings::deserialize(self.values).expect("each value was accepted alone");
        let loaded = Loaded { settings, origins: self.origins };
        let broken = rules::broken(&loaded.settings).into_iter();
        let told = broken.filter(|rule| !is_in_doubt(rule, &self.mistakes)).map(|rule| rule.breach(&loaded));
        let told: Vec<_> = told.collect();
        self.mistakes.extend(told);
        if self.mistakes.is_empty() { Ok(loaded) } else { Err(Mistakes::new(self.mistakes)) }
    }

    fn set(&mut self, Assignment { key, value, source }: Assignment) {
        match alone(&key, value.clone()) {
            Ok(accepted) => {
                *tree::value_mut(&mut self.values, &key) = tree::value(&accepted, &key).clone();
                self.origins.insert(key, source.origin(value.span().start));
            }
            Err(error) => {
                let elements = elements(value).filter_map(|element| alone(&key, element).err());
                let errors = iter::once(error).chain(elements);
                self.mistakes.extend(errors.map(|error| Mistake::value(&key, &error, source)));
            }
        }
    }
}

/// The settings with nothing but this value, as a tree; or why it cannot be.
fn alone<'i>(key: &Key, value: Spanned<DeValue<'i>>) -> Result<Value, Error> {
    let nested = key.names().rfold(value, |inner, name| {
        let span = inner.span();
        let name = Spanned::new(span.clone(), name.to_owned().into());
        Spanned::new(span, DeValue::Table(DeTable::from_iter([(name, inner)])))
    });
    Settings::deserialize(ValueDeserializer::from(nested)).map(|settings| tree::tree(&settings))
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
fn is_in_doubt(rule: &Rule, mistakes: &[Mistake]) -> bool {
    mistakes.iter().any(|mistake| match &mistake.problem {
        Problem::Value { key, .. } => rule.is_about(key),
        _ => false,
    })
}
