//! The provenance of values.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// The provenance of a value; later variants override earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// The default.
    Default,
    /// A line of a file, counted from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    /// An environment variable.
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

/// A text that sets keys.
#[derive(Clone, Copy)]
pub enum Source<'i> {
    /// The text of a file.
    File { path: &'i Path, text: &'i str },
    /// The value of an environment variable.
    Variable { name: &'i str, text: &'i str },
    /// An option of the command line, whose values were checked before.
    Argument(&'static str),
}

impl<'i> Source<'i> {
    /// Returns the provenance of the byte at this index of the text.
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

    /// Returns a part of the text and its provenance.
    pub fn part(self, part: Range<usize>) -> (Provenance, &'i str) {
        let text = match self {
            Self::File { text, .. } | Self::Variable { text, .. } => text,
            Self::Argument(_) => "",
        };
        (self.provenance(part.start), text.get(part).unwrap_or_default())
    }
}
