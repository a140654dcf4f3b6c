//! The program itself, as an operator runs it: two worker threads, and no drain.

use super::Host;
use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::Path,
};
use testing::{Launch, Program};

pub struct Binary(Program);

/// The variables that every test of the program begins with.
const VARIABLES: [(&str, &str); 4] = [
    ("WORLDCAST_LISTEN", "127.0.0.1:0"),
    ("WORLDCAST_ADMIN__LISTEN", "127.0.0.1:0"),
    ("WORLDCAST_WORKERS", "2"),
    ("WORLDCAST_SHUTDOWN__DRAIN", "0s"),
];

impl Binary {
    /// The program with these variables in its environment, after it has logged its addresses.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self(usual(Launch::new()).variables(variables.iter().copied()).start())
    }

    /// The program, which may end at once.
    pub fn spawn(variables: &[(&str, &str)]) -> Self {
        Self(usual(Launch::new()).variables(variables.iter().copied()).spawn())
    }

    /// The program in another working directory, with a command line and these variables.
    pub fn spawn_in(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let launch = usual(Launch::new()).variables(variables.iter().copied());
        Self(launch.directory(directory).arguments(arguments).spawn())
    }

    /// A command line that starts the program, as a shell reads it in this directory.
    pub fn spawn_line(directory: &Path, line: &str) -> Self {
        let shell = usual(Launch::of("/bin/sh")).directory(directory);
        Self(shell.arguments(["-c", &format!("exec env {line}")]).spawn())
    }

    /// The next line of the log, at level info, without the client that it names.
    pub async fn logs(&mut self) -> String {
        self.logs_about().await.0
    }

    /// The next line of the log, at level info, and the client that it names.
    pub async fn logs_about(&mut self) -> (String, String) {
        let line = self.writes().await;
        let (_, message) = line.split_once(" INFO  worldcast] ").unwrap_or_else(|| panic!("{line}"));
        let (words, about) = message.split_once('\t').unwrap_or((message, ""));
        assert!(!about.contains('\t'), "{line}");
        (words.to_owned(), about.to_owned())
    }
}

fn usual(launch: Launch) -> Launch {
    launch.variables(VARIABLES)
}

impl Deref for Binary {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.0
    }
}

impl DerefMut for Binary {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.0
    }
}

impl Host for Binary {
    fn address(&self) -> SocketAddr {
        self.listeners[0]
    }
}
