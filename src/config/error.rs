//! Why there is no configuration to run with.

use super::mistake::{Mistake, Problem};
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
    Refused(#[from] Mistakes),
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
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Sorts what was found, and drops what follows from something else on the same line.
    pub fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|one, other| one.origin.cmp(&other.origin).then(rank(one).cmp(&rank(other))));
        mistakes.dedup();
        mistakes.dedup_by(|later, first| later.origin == first.origin && follows(later, first));
        Self(mistakes)
    }
}

/// Where something is not TOML, the rest of the line is misread; without quotes, a word may be a wrong value
/// anyway (`echo = yes`).
fn follows(later: &Mistake, first: &Mistake) -> bool {
    use Problem::{Quotes, Syntax, Value};
    matches!((&first.problem, &later.problem), (Syntax(_), _) | (Value { .. }, Quotes(_)))
}

fn rank(mistake: &Mistake) -> usize {
    match mistake.problem {
        Problem::Syntax(_) => 0,
        Problem::Quotes(_) => 2,
        _ => 1,
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [mistake] => mistake.fmt(f),
            mistakes => {
                write!(f, "{} mistakes in the configuration", mistakes.len())?;
                mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}
