//! Where a value comes from.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// Where a value comes from; later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Argument(&'static str),
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Argument(name) => f.write_str(name),
        }
    }
}

/// A text that sets keys, and who wrote it.
#[derive(Clone, Copy)]
pub enum Source<'i> {
    File {
        path: &'i Path,
        text: &'i str,
    },
    Variable {
        name: &'i str,
        text: &'i str,
    },
    /// An option of the command line, whose values are checked before.
    Argument(&'static str),
}

impl<'i> Source<'i> {
    /// The origin of what stands at a byte of the text.
    pub fn provenance(self, at: usize) -> Provenance {
        match self {
            Self::File { path, text } => {
                let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
                Provenance::File { path: path.to_owned(), line }
            }
            Self::Variable { name, .. } => Provenance::Variable(name.to_owned()),
            Self::Argument(name) => Provenance::Argument(name),
        }
    }

    /// A part of the text, and its origin.
    pub fn part(self, part: Range<usize>) -> (Provenance, &'i str) {
        let text = match self {
            Self::File { text, .. } | Self::Variable { text, .. } => text,
            Self::Argument(_) => "",
        };
        (self.provenance(part.start), text.get(part).unwrap_or_default())
    }
}
