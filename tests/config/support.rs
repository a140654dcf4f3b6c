//! An operator: a directory with files, the program, and what it says.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Somebody in a directory of their own, in an environment without our variables.
pub struct Operator {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl Operator {
    pub fn new() -> Self {
        Self { home: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// Somebody who has written `text` into `worldcast.toml`.
    pub fn with_file(text: &str) -> Self {
        Self::new().writes("worldcast.toml", text)
    }

    pub fn writes(self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Makes a link at `path` that leads to `target`.
    pub fn links(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.home.path().join(path)).unwrap();
    }

    pub fn sets(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub fn runs(&self, arguments: &[&str]) -> Answer {
        Answer::from(self.command(arguments).output().unwrap())
    }

    /// Runs with standard output going into `output`.
    pub fn runs_into(&self, output: impl Into<Stdio>, arguments: &[&str]) -> Answer {
        let run = self.command(arguments).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        Answer::from(run.wait_with_output().unwrap())
    }

    /// Runs with standard error going into `error`.
    pub fn runs_with_error_into(&self, error: impl Into<Stdio>, arguments: &[&str]) {
        self.command(arguments).stderr(error).status().unwrap();
    }

    /// Types a line into a shell that finds the program, and says whether it succeeds.
    pub fn types(&self, line: &str) -> bool {
        let program = Path::new(env!("CARGO_BIN_EXE_worldcast")).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", program.display());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).current_dir(&self.home).env_clear().env("PATH", path);
        shell.status().unwrap().success()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worldcast"));
        command.args(arguments).current_dir(&self.home).env_clear().envs(self.variables.clone());
        command
    }

    /// Checks `worldcast.toml`, which is expected to be fine, and returns what would run.
    pub fn checks(&self) -> String {
        let answer = self.runs(&["check", "--config", "worldcast.toml"]);
        assert_eq!((answer.code, answer.said.as_str()), (Some(0), ""));
        answer.printed
    }

    /// Checks `worldcast.toml`, which is expected to be refused, and returns what the operator is told.
    pub fn is_told(&self) -> String {
        let answer = self.runs(&["check", "--config", "worldcast.toml"]);
        assert_eq!((answer.code, answer.printed.as_str()), (Some(1), ""), "{}", answer.said);
        answer.said
    }
}

/// How the program ended, what it printed (standard output) and what it said (standard error).
pub struct Answer {
    pub code: Option<i32>,
    pub printed: String,
    pub said: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            printed: String::from_utf8(output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The setting and the origin that `check` printed for a key.
pub fn shown<'t>(printed: &'t str, key: &str) -> (&'t str, &'t str) {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let body = match section {
        "" => printed,
        section => printed.split_once(&format!("[{section}]\n")).unwrap().1,
    };
    let line = body.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
    let (setting, origin) = line.split_once(" # ").unwrap();
    (setting.trim_end(), origin)
}
