//! An operator: a directory with files, and runs of the program.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;
use testing::{Launch, executable};

/// An operator in an empty directory, in an environment without variables of the server.
pub struct Operator {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl Operator {
    pub fn new() -> Self {
        Self { home: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// An operator with `text` in `worldcast.toml`.
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
    pub fn runs_with_stdout_into(&self, output: impl Into<Stdio>, arguments: &[&str]) -> Answer {
        let run = self.command(arguments).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        Answer::from(run.wait_with_output().unwrap())
    }

    /// Runs with standard error going into `error`.
    pub fn runs_with_stderr_into(&self, error: impl Into<Stdio>, arguments: &[&str]) {
        self.command(arguments).stderr(error).status().unwrap();
    }

    /// Types a line into a shell that finds the program; returns true if it succeeds.
    pub fn types(&self, line: &str) -> bool {
        let program = executable();
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let shell = Launch::of("/bin/sh").arguments(["-c", line]).variables([("PATH", path)]);
        shell.directory(self.home.path()).command().status().unwrap().success()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let launch = Launch::new().directory(self.home.path()).arguments(arguments);
        launch.variables(self.variables.clone()).command()
    }

    /// Checks `worldcast.toml`, which must be valid, and returns the settings.
    pub fn checks(&self) -> String {
        let answer = self.runs(&["check", "--config", "worldcast.toml"]);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
        answer.stdout
    }

    /// Checks `worldcast.toml`, which must be refused, and returns the standard error.
    pub fn is_refused(&self) -> String {
        let answer = self.runs(&["check", "--config", "worldcast.toml"]);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""), "{}", answer.stderr);
        answer.stderr
    }
}

/// The exit code, the standard output and the standard error of a run.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The setting and the origin that `check` printed for a key.
pub fn shown<'t>(stdout: &'t str, key: &str) -> (&'t str, &'t str) {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let body = match section {
        "" => stdout,
        section => stdout.split_once(&format!("[{section}]\n")).unwrap().1,
    };
    let line = body.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
    let (setting, origin) = line.split_once(" # ").unwrap();
    (setting.trim_end(), origin)
}
