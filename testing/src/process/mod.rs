//! The program as a process: started on free ports, inspected from outside, stopped by a signal.

mod log; // its standard error
mod metrics; // its metrics

pub use crate::{append_frame, handshake};
pub use log::Log;
pub use metrics::Metrics;

use crate::polls;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    fs::{self, File},
    io::BufReader,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
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

/// The settings and limits with which the program starts.
#[derive(Clone)]
pub struct Launch {
    settings: Vec<(String, String)>,
    descriptors: Option<u32>,
    log_is_read: bool,
}

/// The program while it runs; dropping this kills it.
pub struct Program {
    process: Child,
    pid: u32,
    /// Addresses for clients; every listener serves the same.
    pub listeners: Vec<SocketAddr>,
    /// The address for operators.
    pub admin: SocketAddr,
    /// The lines of its standard error.
    pub log: Log,
    /// The reading end of a log without a reader.
    _unread: Option<BufReader<File>>,
}

/// The name of [`Program`] in tests that have no other server.
pub type Server = Program;

impl Launch {
    /// With these settings, named as in the configuration: `("session.ping_after", "2s")`.
    pub fn with<V: ToString>(settings: &[(&str, V)]) -> Self {
        let open = |key: &str, addresses: &str| (key.to_owned(), addresses.to_owned());
        let given = settings.iter().map(|(key, value)| ((*key).to_owned(), value.to_string()));
        let settings = [open("listen", "127.0.0.1:0,127.0.0.1:0"), open("admin.listen", "127.0.0.1:0")]
            .into_iter()
            .chain(given)
            .collect();
        Self { settings, descriptors: None, log_is_read: true }
    }

    /// Adds settings; the last of a name counts.
    pub fn settings<V: ToString>(mut self, settings: &[(&str, V)]) -> Self {
        self.settings.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())));
        self
    }

    /// With at most so many file descriptors.
    pub fn descriptors(self, most: u32) -> Self {
        Self { descriptors: Some(most), ..self }
    }

    /// Starts with a standard error that is a pipe, which is not read any more when the program
    /// listens.
    pub fn log_unread(self) -> Self {
        Self { log_is_read: false, ..self }
    }

    /// Starts the program and waits until it listens.
    pub fn start(self) -> Program {
        let mut process = self.command().spawn().expect("the program starts");
        let stderr = process.stderr.take().expect("it is piped").into_owned_fd().expect("a pipe");
        let (mut reader, log) = (BufReader::new(File::from(stderr)), Log::default());
        let addresses = log.addresses(&mut reader);
        let unread = match self.log_is_read {
            true => {
                log.follow(reader);
                None
            }
            false => Some(reader),
        };
        Program {
            pid: process.id().expect("it runs"),
            process,
            listeners: addresses.listeners,
            admin: addresses.admin.expect("it was read"),
            log,
            _unread: unread,
        }
    }

    fn command(&self) -> Command {
        let program = executable();
        let mut command = match self.descriptors {
            None => Command::new(program),
            Some(most) => shell(&format!("ulimit -n {most}; exec {}", program.display())),
        };
        let variable = |key: &str| format!("WORLDCAST_{}", key.to_uppercase().replace('.', "__"));
        command.env_clear().envs(self.settings.iter().map(|(key, value)| (variable(key), value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

impl Program {
    /// Reads the metrics.
    pub async fn metrics(&self) -> Metrics {
        Metrics::read(self.admin).await.expect("the admin listener answers")
    }

    /// Lets the process open and allocate everything that it does once, and waits until these
    /// clients are gone.
    pub async fn warms_up(&self) {
        for listener in self.listeners.iter().cycle().take(16) {
            let mut socket = TcpStream::connect(listener).await.expect("it listens");
            socket.write_all(handshake("/websocket", "").as_bytes()).await.expect("it reads");
            socket.read_u8().await.expect("it answers");
        }
        let gone = async { while !self.metrics().await.left().is_empty() {} };
        let _ = timeout(Duration::from_secs(5), gone).await; // the test notices any rest
    }

    /// Bytes of memory that the process has in use (RSS).
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<usize>().ok()).map_or(0, |kib| kib << 10)
    }

    /// Time that its threads have spent on a processor (proc_pid_stat(5)).
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("the process runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the name of the program in brackets");
        let ticks = |at: usize| fields.split(' ').nth(at).and_then(|ticks| ticks.parse::<u64>().ok());
        let used = ticks(11).expect("utime") + ticks(12).expect("stime");
        Duration::from_millis(used * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The open descriptors of the process, one line each.
    pub fn descriptors(&self) -> Vec<String> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("the process runs");
        let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
        let mut open: Vec<_> =
            open.flatten().filter_map(target).map(|path| path.display().to_string()).collect();
        open.sort();
        open
    }

    /// The number of descriptors below `most` that it can still open; an inherited one may have a
    /// greater number.
    pub fn free_descriptors(&self, most: u32) -> usize {
        (0..most).filter(|number| fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).is_err()).count()
    }

    /// The number of descriptors that each of its threads waits for.
    pub fn watched(&self) -> Vec<usize> {
        polls::watched(self.pid).expect("the process runs")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops the process: connections stay open without an answer until `continues`.
    pub fn stands_still(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues a stopped process.
    pub fn continues(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends `signal` to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }

    /// The exit status; `None` if the process has not ended within `patience`.
    pub async fn exit(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = timeout(patience, self.process.wait()).await.ok()?;
        Some(ended.expect("a child"))
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}
