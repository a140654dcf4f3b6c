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
        mistakes.dedup_by(|later, first| {
            let follows = matches!(first.problem, Problem::Syntax(_))
                || matches!(later.problem, Problem::Quotes { .. });
            follows && later.origin == first.origin
        });
        Self(mistakes)
    }
}

/// A line that is not TOML is misread below; a word without quotes may be no text at all (`echo = yes`).
fn rank(mistake: &Mistake) -> usize {
    match mistake.problem {
        Problem::Syntax(_) => 0,
        Problem::Quotes { .. } => 2,
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
