//! The settings to run with, and where each of them comes from.

use super::{
    Settings,
    key::Key,
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

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = Key::root();
        for (key, value) in leaves(&tree::tree(&self.settings)) {
            if key.parent() != section {
                section = key.parent();
                writeln!(f, "\n[{section}]")?;
            }
            let line = format!("{} = {}", key.name(), secret::masked(&key, value));
            writeln!(f, "{line:<48} # {}", self.origins.get(&key).unwrap_or(&Origin::Default))?;
        }
        Ok(())
    }
}
