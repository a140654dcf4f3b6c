//! From a file and the environment to settings.

use super::{
    Settings, draft::Draft, environment::Environment, error::ConfigError, file, loaded::Loaded, tree,
};
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
    let defaults = tree::tree(&Settings::default());
    let mut draft = Draft::new(defaults.clone());
    draft.take(file::read(path, &text, &defaults));
    draft.take(environment.read(&defaults));
    Ok(draft.finish()?)
}
