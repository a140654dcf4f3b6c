//! The error of loading a configuration.

use super::diagnostic::{Diagnostic, Problem};
use crate::shell::quoted_path;
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
    match cause.kind() {
        io::ErrorKind::NotFound => remedy_of_missing(path),
        io::ErrorKind::PermissionDenied => {
            "permission denied; let the user that runs worldcast read it".to_owned()
        }
        io::ErrorKind::IsADirectory => "it is a directory; name a file in it".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8; save it as such".to_owned(),
        _ => cause.to_string(),
    }
}

/// Returns the command line that writes the missing file: it makes directories that are missing,
/// and first removes a link that leads nowhere, through which a shell would write elsewhere.
fn remedy_of_missing(path: &Path) -> String {
    let dangling = path.ancestors().find(|part| part.is_symlink() && !part.exists());
    let directory = path.parent().filter(|part| !part.as_os_str().is_empty() && !part.exists());
    let target = dangling.and_then(|link| link.read_link().ok());
    let what = match (dangling, target) {
        (Some(link), Some(target)) if link == path => {
            format!("there is no such file: it is a link to {}; ", target.display())
        }
        (Some(link), Some(target)) => {
            format!("there is no such file: {} is a link to {}; ", link.display(), target.display())
        }
        _ => "there is no such file; ".to_owned(),
    };
    let remove = dangling.map(|link| format!("rm {}", quoted_path(link)));
    let make = directory.map(|directory| format!("mkdir -p {}", quoted_path(directory)));
    let write = format!("worldcast defaults > {}", quoted_path(path));
    let steps: Vec<_> = remove.into_iter().chain(make).chain([write]).collect();
    format!("{what}`{}` writes one", steps.join(" && "))
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
