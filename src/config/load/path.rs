//! The name of a setting: its path in a file, its variable in the environment.

use std::fmt;

/// The path of a setting or of a section, such as `session.max_message` or `session`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingPath(String);

impl SettingPath {
    /// The path above every section.
    pub fn root() -> Self {
        Self(String::new())
    }

    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{self}.{name}")) }
    }

    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned())
    }

    /// The names on the path, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The innermost name of the path.
    pub fn name(&self) -> &str {
        self.names().next_back().unwrap_or_default()
    }

    /// The environment variable that sets it.
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
