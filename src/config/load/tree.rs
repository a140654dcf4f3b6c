//! Settings as a tree of TOML values, from which the list of all keys is derived, so that no key is
//! listed twice.
//!
//! Every setting must therefore have a value: an optional one is an empty list or an empty text.

use super::path::SettingPath;
use crate::config::Settings;
use std::collections::BTreeSet;
use toml::Value;

/// Converts settings into a tree.
///
/// # Panics
/// Panics if a setting has a type that TOML cannot represent.
pub fn tree(settings: &Settings) -> Value {
    Value::try_from(settings).expect("settings are made of sections, lists, numbers and text")
}

/// Returns every key with its value.
pub fn leaves(tree: &Value) -> Vec<(SettingPath, &Value)> {
    below(SettingPath::root(), tree)
}

/// Returns every key.
pub fn keys(tree: &Value) -> Vec<SettingPath> {
    leaves(tree).into_iter().map(|(key, _)| key).collect()
}

/// Returns the sections that contain keys.
pub fn sections(tree: &Value) -> BTreeSet<SettingPath> {
    keys(tree).iter().map(SettingPath::parent).filter(|section| *section != SettingPath::root()).collect()
}

/// Returns the value of a key.
///
/// # Panics
/// Panics if the key does not exist.
pub fn value<'t>(tree: &'t Value, key: &SettingPath) -> &'t Value {
    key.names().fold(tree, |value, name| &value[name])
}

/// Returns the value of a key, to replace it.
///
/// # Panics
/// Panics if the key does not exist.
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
