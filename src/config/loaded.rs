//! The settings to run with, and where each of them comes from.

use super::{
    Settings,
    key::Key,
    mistake::excerpt,
    origin::Origin,
    secret,
    tree::{self, leaves},
};
use std::{collections::BTreeMap, fmt};

/// The settings to run with, and where each of them comes from.
///
/// Displays as TOML that loads to the same settings: every key, its origin as a comment, secrets masked.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub(super) origins: BTreeMap<Key, Origin>,
}

impl Loaded {
    /// `key = value` as a message can show it, and where the value comes from.
    pub(super) fn setting(&self, key: &Key) -> (String, Origin) {
        let value = secret::masked(key, tree::value(&tree::tree(&self.settings), key));
        (format!("{key} = {}", excerpt(&value.to_string())), self.origin(key))
    }

    fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = Key::root();
        for (key, value) in leaves(&tree::tree(&self.settings)) {
            if key.parent() != section {
                section = key.parent();
                writeln!(f, "\n[{section}]")?;
            }
            let line = format!("{} = {}", key.name(), secret::masked(&key, value));
            writeln!(f, "{line:<48} # {}", self.origin(&key))?;
        }
        Ok(())
    }
}
