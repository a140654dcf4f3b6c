//! The error of loading a configuration.

use super::diagnostic::{Diagnostic, Problem};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// The error of loading a configuration, as the operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {}", path.display(), remedy(path, cause))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The file or the environment contains mistakes.
    #[error(transparent)]
    Refused(#[from] Diagnostics),
}

fn remedy(path: &Path, cause: &io::Error) -> String {
    let path = path.display();
    match cause.kind() {
        io::ErrorKind::NotFound => format!("there is no such file; `worldcast defaults > {path}` writes one"),
        io::ErrorKind::PermissionDenied => {
            "permission denied; let the user that runs worldcast read it".to_owned()
        }
        io::ErrorKind::IsADirectory => "it is a directory; name a file in it".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8; save it as such".to_owned(),
        _ => cause.to_string(),
    }
}

/// All mistakes in the file, in its order, and then those in the environment.
#[derive(Debug, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts the diagnostics, and drops those that follow from another one on the same line.
    pub fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics
            .sort_by(|one, other| one.provenance.cmp(&other.provenance).then(rank(one).cmp(&rank(other))));
        diagnostics.dedup();
        diagnostics.dedup_by(|later, first| later.provenance == first.provenance && follows(later, first));
        Self(diagnostics)
    }
}

/// Returns true if `later` follows from `first`. The parser misreads the rest of a line that is no
/// TOML; and a word without quotes is also a wrong value (`echo = yes`).
fn follows(later: &Diagnostic, first: &Diagnostic) -> bool {
    use Problem::{Quotes, Syntax, Value};
    matches!((&first.problem, &later.problem), (Syntax(_), _) | (Value { .. }, Quotes(_)))
}

fn rank(diagnostic: &Diagnostic) -> usize {
    match diagnostic.problem {
        Problem::Syntax(_) => 0,
        Problem::Quotes(_) => 2,
        _ => 1,
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [diagnostic] => diagnostic.fmt(f),
            diagnostics => {
                write!(f, "{} mistakes in the configuration", diagnostics.len())?;
                diagnostics.iter().try_for_each(|diagnostic| write!(f, "\n  {diagnostic}"))
            }
        }
    }
}
