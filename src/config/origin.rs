//! Where a value comes from.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// The most letters of a value that a message shows.
const EXCERPT: usize = 80;

/// Where a value comes from; later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A text that sets keys, and who wrote it.
#[derive(Clone, Copy)]
pub enum Source<'i> {
    File { path: &'i Path, text: &'i str },
    Variable { name: &'i str, text: &'i str },
}

impl Source<'_> {
    /// The origin of what stands at a byte of the text.
    pub fn origin(self, at: usize) -> Origin {
        match self {
            Self::File { path, text } => {
                let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
                Origin::File { path: path.to_owned(), line }
            }
            Self::Variable { name, .. } => Origin::Variable(name.to_owned()),
        }
    }

    /// The origin of a part of the text, and the part as a message can show it.
    pub fn excerpt(self, part: Range<usize>) -> (Origin, String) {
        let (Self::File { text, .. } | Self::Variable { text, .. }) = self;
        (self.origin(part.start), excerpt(text.get(part).unwrap_or_default()))
    }
}

/// So much of a value as fits into a line of a message.
pub fn excerpt(value: &str) -> String {
    let line = value.trim().lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|letter| !letter.is_control()).take(EXCERPT).collect();
    if shown.len() < value.trim().len() {
        shown.push('…');
    }
    shown
}
