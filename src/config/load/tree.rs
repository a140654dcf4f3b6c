//! Settings as a tree of names: the one list of all keys is read off it, so that none is written twice.
//!
//! Every setting therefore has a value: what may be left out is an empty list or an empty text.

use super::path::SettingPath;
use crate::config::Settings;
use std::collections::BTreeSet;
use toml::Value;

pub fn tree(settings: &Settings) -> Value {
    Value::try_from(settings).expect("settings are made of sections, lists, numbers and text")
}

/// Every key with its value.
pub fn leaves(tree: &Value) -> Vec<(SettingPath, &Value)> {
    below(SettingPath::root(), tree)
}

pub fn keys(tree: &Value) -> Vec<SettingPath> {
    leaves(tree).into_iter().map(|(key, _)| key).collect()
}

/// The sections that hold keys.
pub fn sections(tree: &Value) -> BTreeSet<SettingPath> {
    keys(tree).iter().map(SettingPath::parent).filter(|section| *section != SettingPath::root()).collect()
}

/// The value of a key that exists.
pub fn value<'t>(tree: &'t Value, key: &SettingPath) -> &'t Value {
    key.names().fold(tree, |value, name| &value[name])
}

/// The value of a key that exists, to be replaced.
pub fn value_mut<'t>(tree: &'t mut Value, key: &SettingPath) -> &'t mut Value {
    key.names().fold(tree, |value, name| &mut value[name])
}

fn below(at: SettingPath, value: &Value) -> Vec<(SettingPath, &Value)> {
    match value {
        Value::Table(section) => {
            section.iter().flat_map(|(name, value)| below(at.child(name), value)).collect()
        }
        _ => vec![(at, value)],
    }
}
