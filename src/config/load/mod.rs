//! From a file and the environment to settings.

mod file; // the keys that a file sets
mod environment; // the keys that variables set
mod parsed; // the assignments of either
mod merge; // accepts each value alone, then judges the whole
mod constraints; // what no type can express
mod loaded; // settings and where each value comes from
mod source; // default, file and line, variable
mod error; // why there is no configuration
mod diagnostic; // one mistake, its place and its remedy
mod suggest; // the key that was probably meant
mod syntax; // errors of TOML
mod redact; // values that are not shown
mod path; // session.max_message
mod tree; // settings by their paths

pub use error::ConfigError;
pub use loaded::Loaded;

use super::Settings;
use environment::Environment;
use error::Diagnostics;
use merge::Merge;
use std::{fs, io, path::Path};

/// The file that is read when none is named, if it is there.
const DEFAULT_FILE: &str = "config/default.toml";

impl Settings {
    /// Reads `file`, or else `config/default.toml` if there is one; then the environment, which wins.
    ///
    /// Fails when the file cannot be read, and otherwise with everything that is wrong in both at once.
    pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
        load(file, &Environment::new(std::env::vars_os()))
    }
}

fn load(file: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match fs::read_to_string(path) {
        Err(cause) if file.is_none() && cause.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?,
    };
    Ok(judge(path, &text, environment)?)
}

fn judge(path: &Path, text: &str, environment: &Environment) -> Result<Loaded, Diagnostics> {
    let defaults = tree::tree(&Settings::default());
    let mut merge = Merge::new(defaults.clone());
    merge.take(file::read(path, text, &defaults));
    merge.take(environment.read(&defaults));
    merge.finish()
}

#[cfg(test)]
mod tests {
    use super::constraints;
    use super::*;
    use crate::config::DEFAULTS;
    use proptest::{prelude::*, sample::Index};

    proptest! {
        /// Our reading, which goes on after a mistake, against serde's, which stops at the first.
        #[test]
        fn exactly_what_serde_reads_is_accepted(edits in prop::collection::vec(edit(), 1..6)) {
            let text = edits.iter().fold(DEFAULTS.to_owned(), |text, edit| edited(&text, edit));
            let sound = toml::from_str::<Settings>(&text).ok().filter(|sound| constraints::broken(sound).is_empty());
            let accepted = judge(Path::new("x"), &text, &Environment::new([])).ok();
            prop_assert_eq!(accepted.map(|loaded| loaded.settings), sound, "{}", text);
        }
    }

    #[test]
    fn a_secret_is_read_and_shown_nowhere() {
        let key = "a-key-that-nobody-guesses";
        let text = format!("[publish]\nkeys = [\"{key}\"]\n");
        let loaded = judge(Path::new("x"), &text, &Environment::new([])).expect("a key");
        assert_eq!(loaded.settings.publish.keys, [key.into()]);
        let settings = &loaded.settings;
        for shown in [
            format!("{settings:?}"),
            format!("{loaded:?}"),
            loaded.to_string(),
            tree::tree(settings).to_string(),
            serde_json::to_string(settings).expect("settings are JSON"),
        ] {
            assert!(!shown.contains(key), "{shown}");
        }
        assert!(loaded.to_string().contains(r#"keys = ["***"]"#));
    }

    /// Replaces some letters at a place by others.
    type Edit = (Index, usize, String);

    fn edit() -> impl Strategy<Value = Edit> {
        (any::<Index>(), 0..4_usize, "[\\[\\]{}=\"'.,#\\\\\na1s_ ü-]{0,3}")
    }

    fn edited(text: &str, (place, removed, added): &Edit) -> String {
        let letters: Vec<_> = text.chars().collect();
        let (before, after) = letters.split_at(place.index(letters.len()));
        before.iter().copied().chain(added.chars()).chain(after.iter().skip(*removed).copied()).collect()
    }
}
