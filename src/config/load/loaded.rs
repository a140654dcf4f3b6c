//! The loaded settings and the provenance of each value.

use super::{
    diagnostic::excerpt,
    path::SettingPath,
    redact,
    source::Provenance,
    tree::{self, leaves},
};
use crate::config::Settings;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

/// The loaded settings and the provenance of each value.
///
/// It displays as TOML that loads to the same settings, except that secrets are masked: every key,
/// with its provenance as a comment.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    pub(super) provenance: BTreeMap<SettingPath, Provenance>,
}

impl Loaded {
    /// Returns `key = value` as a message may show it, and the provenance of the value.
    pub(super) fn setting(&self, key: &SettingPath) -> (String, Provenance) {
        let value = redact::redact(key, tree::value(&tree::tree(&self.settings), key));
        (format!("{key} = {}", excerpt(&value.to_string())), self.provenance(key))
    }

    /// A sentence for the log: the file, and all that wins over it by name.
    pub fn summary(&self) -> String {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let file = file.unwrap_or_else(|| "no configuration file; defaults".to_owned());
        let named = |provenance: &&Provenance| {
            matches!(provenance, Provenance::Variable(_) | Provenance::Argument(_))
        };
        let named: BTreeSet<_> = self.provenance.values().filter(named).collect();
        let names: Vec<_> = named.into_iter().map(|provenance| format!(", {provenance}")).collect();
        format!("settings: {file}{}", names.concat())
    }

    fn provenance(&self, key: &SettingPath) -> Provenance {
        self.provenance.get(key).cloned().unwrap_or(Provenance::Default)
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = SettingPath::root();
        for (key, value) in leaves(&tree::tree(&self.settings)) {
            if key.parent() != section {
                section = key.parent();
                writeln!(f, "\n[{section}]")?;
            }
            let line = format!("{} = {}", key.name(), redact::redact(&key, value));
            writeln!(f, "{line:<48} # {}", self.provenance(&key))?;
        }
        Ok(())
    }
}
