//! Why there is no configuration to run with.

use super::diagnostic::{Diagnostic, Problem};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why there is no configuration to run with, as an operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {}", path.display(), remedy(path, cause))]
    Unreadable { path: PathBuf, cause: io::Error },
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

/// Everything that is wrong with the file and the environment, in the order of the file.
#[derive(Debug, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts what was found, and drops what follows from something else on the same line.
    pub fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics
            .sort_by(|one, other| one.provenance.cmp(&other.provenance).then(rank(one).cmp(&rank(other))));
        diagnostics.dedup();
        diagnostics.dedup_by(|later, first| later.provenance == first.provenance && follows(later, first));
        Self(diagnostics)
    }
}

/// Where something is not TOML, the rest of the line is misread; without quotes, a word may be a wrong value
/// anyway (`echo = yes`).
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
