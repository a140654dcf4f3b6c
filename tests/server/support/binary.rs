//! The program itself, as an operator runs it.

use super::{Host, within};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::mpsc,
};

pub struct Binary {
    process: Child,
    address: SocketAddr,
    log: mpsc::UnboundedReceiver<String>,
}

/// The variables that every test of the program begins with.
const VARIABLES: [(&str, &str); 4] = [
    ("WORLDCAST_LISTEN", "127.0.0.1:0"),
    ("WORLDCAST_ADMIN__LISTEN", "127.0.0.1:0"),
    ("WORLDCAST_WORKERS", "2"),
    ("WORLDCAST_SHUTDOWN__DRAIN", "0s"),
];

impl Binary {
    /// The program with these variables in its environment, after it has logged its addresses.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let mut binary = Self::spawn(variables);
        let lines = binary.logs_until_it_listens().await;
        binary.address = lines.last().and_then(|line| page(line)).expect("it says so last");
        binary
    }

    /// The program, which may end at once.
    pub fn spawn(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worldcast"));
        command.env_clear().envs(VARIABLES).envs(variables.iter().copied());
        Self::spawn_command(command)
    }

    /// The program in another working directory, with a command line.
    pub fn spawn_in(directory: &Path, arguments: &[&str]) -> Self {
        Self::spawn_in_with(directory, arguments, &[])
    }

    /// The same with these variables.
    pub fn spawn_in_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worldcast"));
        command.args(arguments).current_dir(directory).env_clear().envs(VARIABLES);
        command.envs(variables.iter().copied());
        Self::spawn_command(command)
    }

    /// A command line that starts the program, as a shell reads it in this directory.
    pub fn spawn_line(directory: &Path, line: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("exec env {line}")]).current_dir(directory).env_clear().envs(VARIABLES);
        Self::spawn_command(command)
    }

    fn spawn_command(mut command: Command) -> Self {
        let mut process = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let (lines, log) = mpsc::unbounded_channel();
        actix_web::rt::spawn(pass_on(process.stderr.take().expect("a pipe"), lines));
        Self { process, address: ([0, 0, 0, 0], 0).into(), log }
    }

    /// All lines up to `page at http://127.0.0.1:3000/ · WebSocket at …`, which follows whatever
    /// warnings there are.
    pub async fn logs_until_it_listens(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.writes().await);
            if page(&lines[lines.len() - 1]).is_some() {
                return lines;
            }
        }
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

    /// The next line of the log, whole.
    pub async fn writes(&mut self) -> String {
        within("a line of the log", self.log.recv()).await.expect("a line before the end of the log")
    }

    /// The lines of the log until the program ends, and its exit code.
    pub async fn ends(&mut self) -> (Vec<String>, Option<i32>) {
        let mut lines = Vec::new();
        within("the end of the log", async {
            while let Some(line) = self.log.recv().await {
                lines.push(line);
            }
        })
        .await;
        let status = within("the end of the program", self.process.wait()).await.expect("a child of ours");
        (lines, status.code())
    }

    pub fn gets(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child of ours");
    }

    /// The sockets that the program holds: those of its clients, its listeners, and a few of its
    /// own.
    pub fn sockets(&self) -> BTreeSet<PathBuf> {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a child of ours");
        let open = descriptors.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
        open.filter(|file| file.to_string_lossy().starts_with("socket:")).collect()
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().expect("it runs");
        Pid::from_raw(id.try_into().expect("a process id")).expect("a process id")
    }
}

impl Host for Binary {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// `page at http://127.0.0.1:3000/`
fn page(line: &str) -> Option<SocketAddr> {
    line.split_once("page at http://")?.1.split('/').next()?.parse().ok()
}

async fn pass_on(pipe: ChildStderr, lines: mpsc::UnboundedSender<String>) {
    let mut pipe = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = pipe.next_line().await {
        let _ = lines.send(line); // the test may have ended
    }
}
