//! From a file and the environment to settings.

mod file; // the keys that a file sets
mod environment; // the keys that variables set
mod parsed; // the assignments of either
mod merge; // accepts each value alone, then judges the whole
mod constraints; // rules that no type can express
mod loaded; // settings and where each value comes from
mod source; // default, file and line, variable
mod error; // why there is no configuration
mod diagnostic; // one mistake, its place and its remedy
mod renamed; // keys of earlier versions
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
use parsed::{Assignment, Parsed};
use source::Source;
use std::{fs, io, net::SocketAddr, path::Path};
use toml::{Spanned, de::DeValue};

/// The file of the working directory that is read when none is named, if it exists.
const DEFAULT_FILE: &str = "worldcast.toml";

impl Settings {
    /// Reads `file`, or else `worldcast.toml` if it exists; then the environment, which wins; then
    /// `listen` of the command line, which wins over both unless it is empty.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file cannot be read, and otherwise with every mistake of all sources
    /// at once.
    pub fn load(file: Option<&Path>, listen: &[SocketAddr]) -> Result<Loaded, ConfigError> {
        load(file, &Environment::new(std::env::vars_os()), listen)
    }
}

fn load(
    file: Option<&Path>,
    environment: &Environment,
    listen: &[SocketAddr],
) -> Result<Loaded, ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    // A link that leads nowhere is no choice of defaults.
    let may_be_missing = file.is_none() && !path.is_symlink();
    let text = match fs::read_to_string(path) {
        Err(cause) if may_be_missing && cause.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?),
    };
    let loaded = judge(path, text.as_deref().unwrap_or_default(), environment, listen)?;
    Ok(Loaded { file: text.map(|_| path.to_owned()), ..loaded })
}

fn judge(
    path: &Path,
    text: &str,
    environment: &Environment,
    listen: &[SocketAddr],
) -> Result<Loaded, Diagnostics> {
    let defaults = tree::tree(&Settings::default());
    let mut merge = Merge::new(defaults.clone());
    merge.take(file::read(path, text, &defaults));
    merge.take(environment.read(&defaults));
    merge.take(arguments(listen));
    merge.finish()
}

/// The setting that `--listen` of the command line makes.
fn arguments(listen: &[SocketAddr]) -> Parsed<'static> {
    let text = |text: String| Spanned::new(0..0, DeValue::String(text.into()));
    let addresses = listen.iter().map(|address| text(address.to_string())).collect();
    let value = Spanned::new(0..0, DeValue::Array(addresses));
    let assignment = Assignment { key: "listen".into(), value, source: Source::Argument("--listen") };
    let assignments = if listen.is_empty() { Vec::new() } else { vec![assignment] };
    Parsed { assignments, diagnostics: Vec::new() }
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
            let accepted = judge(Path::new("x"), &text, &Environment::new([]), &[]).ok();
            prop_assert_eq!(accepted.map(|loaded| loaded.settings), sound, "{}", text);
        }
    }

    #[test]
    fn a_secret_is_read_and_shown_nowhere() {
        let key = "a-key-that-nobody-guesses";
        let text = format!("[publish]\nkeys = [\"{key}\"]\n");
        let loaded = judge(Path::new("x"), &text, &Environment::new([]), &[]).expect("a key");
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
