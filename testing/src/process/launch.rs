//! The command line, the environment and the directory with which the program starts.

use super::{Process, Program};
use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The path of the program that `cargo test` has built for the running test.
///
/// # Panics
/// If there is none beside the directory of the test.
pub fn executable() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let given = env::var_os("CARGO_BIN_EXE_worldcast").map(PathBuf::from); // newer cargo sets it
    let beside = || Some(test.parent()?.parent()?.join("worldcast")); // target/debug/deps/test
    let program = given.or_else(beside).filter(|program| program.exists());
    program.unwrap_or_else(|| panic!("no worldcast has been built for {}", test.display()))
}

/// One start of a program, in an environment that has only the variables given here.
#[derive(Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    descriptors: Option<u32>,
    log_is_read: bool,
}

impl Launch {
    /// The program that was built for this test, without settings.
    ///
    /// # Panics
    /// As [`executable`] does.
    pub fn new() -> Self {
        Self::of(executable())
    }

    /// Another program: another build, a shell.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            directory: None,
            descriptors: None,
            log_is_read: true,
        }
    }

    /// The program on two free ports for clients and one for operators, with these settings, named
    /// as in the configuration: `("session.ping_after", "2s")`.
    ///
    /// # Panics
    /// As [`executable`] does.
    pub fn with<V: ToString>(settings: &[(&str, V)]) -> Self {
        let ports = [("listen", "127.0.0.1:0,127.0.0.1:0"), ("admin.listen", "127.0.0.1:0")];
        Self::new().settings(&ports).settings(settings)
    }

    /// Adds settings, named as in the configuration; the last of a name counts.
    pub fn settings<V: ToString>(self, settings: &[(&str, V)]) -> Self {
        let variable = |key: &str| format!("WORLDCAST_{}", key.to_uppercase().replace('.', "__"));
        self.variables(settings.iter().map(|(key, value)| (variable(key), value.to_string())))
    }

    /// Adds variables of the environment; the last of a name counts.
    pub fn variables<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let owned = |(name, value): (N, V)| (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.variables.extend(variables.into_iter().map(owned));
        self
    }

    /// Adds arguments of the command line.
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Starts in this directory.
    pub fn directory(self, directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), ..self }
    }

    /// Starts with at most so many file descriptors.
    pub fn descriptors(self, most: u32) -> Self {
        Self { descriptors: Some(most), ..self }
    }

    /// Starts with a standard error that is a pipe, which is not read any more when the program
    /// listens.
    pub fn log_unread(self) -> Self {
        Self { log_is_read: false, ..self }
    }

    /// The command, for a process whose standard input and output the caller chooses.
    pub fn command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(&self.program),
            Some(most) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")]).arg(&self.program);
                shell
            }
        };
        command.args(&self.arguments).env_clear().envs(self.variables.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Starts the server, which may end at once.
    ///
    /// # Panics
    /// If the system cannot start it.
    pub fn spawn(self) -> Program {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Program::new(Process::spawn(&mut command).expect("the program starts"), self.log_is_read)
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// If it ends instead, or does not listen within [`PATIENCE`](crate::PATIENCE).
    pub fn start(self) -> Program {
        let mut program = self.spawn();
        program.wait_until_it_listens();
        program
    }
}

impl Default for Launch {
    fn default() -> Self {
        Self::new()
    }
}
