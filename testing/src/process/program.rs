//! The server as a process: its addresses, its log, its metrics, its end.

use super::{
    Metrics, Process,
    log::{Addresses, Log},
};
use crate::{PATIENCE, handshake, within};
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The server while it runs; dropping this kills it.
pub struct Program {
    process: Process,
    /// Addresses for clients, once it listens; every listener serves the same.
    pub listeners: Vec<SocketAddr>,
    /// The address for operators, once it listens; port 0 before.
    pub admin: SocketAddr,
    /// The lines of its standard error.
    pub log: Log,
    /// Lines of the log that were taken.
    taken: usize,
    /// The reading end of a log without a reader.
    _unread: Option<File>,
}

/// The name of [`Program`] in tests that have no other server.
pub type Server = Program;

impl Program {
    pub(super) fn new(mut process: Process, log_is_read: bool) -> Self {
        let stderr = File::from(std::os::fd::OwnedFd::from(process.take_stderr().expect("it is piped")));
        let unread = (!log_is_read).then(|| stderr.try_clone().expect("a descriptor"));
        Self {
            process,
            listeners: Vec::new(),
            admin: ([0, 0, 0, 0], 0).into(),
            log: Log::read(stderr, log_is_read),
            taken: 0,
            _unread: unread,
        }
    }

    pub(super) fn wait_until_it_listens(&mut self) {
        let begun = Instant::now();
        while self.listeners.is_empty() {
            let ended = self.log.has_ended();
            if self.log.line(self.taken).map(|line| self.takes(&line)).is_none() {
                assert!(!ended, "the program ended instead of listening:\n{}", self.log.text());
                assert!(begun.elapsed() < PATIENCE, "the program does not listen:\n{}", self.log.text());
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// All lines that were not taken yet, up to `page at http://127.0.0.1:3000/ · WebSocket at …`,
    /// which follows all warnings.
    ///
    /// # Panics
    /// If the program does not listen.
    pub async fn logs_until_it_listens(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while self.listeners.is_empty() {
            lines.push(self.writes().await);
        }
        lines
    }

    /// Takes the next line of the log.
    ///
    /// # Panics
    /// If the log ends before it.
    pub async fn writes(&mut self) -> String {
        self.next_line().await.unwrap_or_else(|| panic!("the log has ended:\n{}", self.log.text()))
    }

    /// The remaining lines of the log until the program ends, and its exit code; `None` after a
    /// signal.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ends(&mut self) -> (Vec<String>, Option<i32>) {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line().await {
            lines.push(line);
        }
        let status = self.exit(PATIENCE).await.expect("the program ends with its log");
        (lines, status.code())
    }

    async fn next_line(&mut self) -> Option<String> {
        let line = within("a line of the log", self.log.wait_for_line(self.taken)).await?;
        self.takes(&line);
        Some(line)
    }

    fn takes(&mut self, line: &str) {
        self.taken += 1;
        let mut addresses = Addresses::default();
        addresses.read(line);
        if !addresses.listeners.is_empty() {
            self.listeners = addresses.listeners;
        }
        self.admin = addresses.admin.unwrap_or(self.admin);
    }

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
        self.process.memory().expect("the process runs")
    }

    /// Time that its threads have spent on a processor (proc_pid_stat(5)).
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the name of the program in brackets");
        let ticks = |at: usize| fields.split(' ').nth(at).and_then(|ticks| ticks.parse::<u64>().ok());
        let used = ticks(11).expect("utime") + ticks(12).expect("stime");
        Duration::from_millis(used * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The open descriptors of the process, one line each.
    pub fn descriptors(&self) -> Vec<String> {
        let mut open: Vec<_> = self.open_files().map(|path| path.display().to_string()).collect();
        open.sort();
        open
    }

    /// The sockets of its clients, its listeners, and a few of its own.
    pub fn sockets(&self) -> BTreeSet<PathBuf> {
        self.open_files().filter(|file| file.to_string_lossy().starts_with("socket:")).collect()
    }

    fn open_files(&self) -> impl Iterator<Item = PathBuf> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("the process runs");
        open.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
    }

    /// The number of descriptors below `most` that it can still open; an inherited one may have a
    /// greater number.
    pub fn free_descriptors(&self, most: u32) -> usize {
        let is_free =
            |number: &u32| fs::read_link(format!("/proc/{}/fd/{number}", self.process.id())).is_err();
        (0..most).filter(is_free).count()
    }

    /// The number of descriptors that each of its threads waits for.
    pub fn watched(&self) -> Vec<usize> {
        self.process.watched().expect("the process runs")
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
        self.process.signal(signal).expect("it runs");
    }

    /// The exit status; `None` if the process has not ended within `patience`.
    pub async fn exit(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.process.exit(patience).await
    }
}
