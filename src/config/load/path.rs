//! The path of a setting, and the environment variable for it.

use std::fmt;

/// The path of a setting or of a section, such as `session.max_message` or `session`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingPath(String);

impl SettingPath {
    /// Returns the empty path, the parent of every section.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Returns the path of `name` below this path.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{self}.{name}")) }
    }

    /// Returns the path without its last name.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned())
    }

    /// Returns the names of the path, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Returns the last name of the path.
    pub fn name(&self) -> &str {
        self.names().next_back().unwrap_or_default()
    }

    /// Returns the name of the environment variable that sets the key.
    pub fn variable(&self) -> String {
        format!("WORLDCAST_{}", self.0.replace('.', "__").to_uppercase())
    }
}

impl From<&str> for SettingPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for SettingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
