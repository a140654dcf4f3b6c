//! A Redis or Valkey server as a process: on a free port, killed, stopped, and started again with
//! and without its data.

use crate::within;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// The program that runs, unless the variable `REDIS_SERVER` names another one, such as
/// `valkey-server`.
const PROGRAM: &str = "redis-server";

/// Free ports that are tried: another process may take one before the server does.
const ATTEMPTS: usize = 10;

/// The deadline of a command of [`Redis::cli`].
const CLI_WITHIN: Duration = Duration::from_secs(10);

/// A server while it runs; dropping this kills it and removes its data.
pub struct Redis {
    program: String,
    /// A configuration file, which the options override.
    file: Option<PathBuf>,
    options: Vec<(String, String)>,
    address: SocketAddr,
    directory: TempDir,
    process: Option<Child>,
}

impl Redis {
    /// Starts a server with these options of its configuration file, such as
    /// `("requirepass", "a")`, and waits until it answers. It saves nothing by itself. `None` if
    /// the program is not installed, which is printed, and which fails where WORLDCAST_REQUIRE
    /// names `redis-server`.
    ///
    /// # Panics
    /// If the server ends at its start, for example because it does not know an option.
    pub async fn start(options: &[(&str, &str)]) -> Option<Self> {
        Self::start_with(None, options).await
    }

    /// Starts a server with this configuration file, apart from its address, its directory and these
    /// options; else as [`Redis::start`].
    ///
    /// # Panics
    /// As [`Redis::start`] does.
    pub async fn start_with_file(file: &str, options: &[(&str, &str)]) -> Option<Self> {
        Self::start_with(Some(file.into()), options).await
    }

    async fn start_with(file: Option<PathBuf>, options: &[(&str, &str)]) -> Option<Self> {
        let program = env::var("REDIS_SERVER").unwrap_or_else(|_| PROGRAM.to_owned());
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut redis = Self {
            program,
            file,
            options: options.collect(),
            address: free_address(),
            directory: tempfile::tempdir().expect("a directory"),
            process: None,
        };
        for _ in 1..ATTEMPTS {
            match redis.run().await {
                Ok(true) => return Some(redis),
                Ok(false) if redis.log().contains("Address already in use") => {
                    redis.empty();
                    redis.address = free_address();
                }
                Ok(false) => break,
                Err(missing) => return redis.skipped(&missing),
            }
        }
        panic!("{} has ended at its start:\n{}", redis.program, redis.log());
    }

    /// The address at which it listens, the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The path of the unix socket at which it listens too.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// The id of its process.
    ///
    /// # Panics
    /// If it was killed.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).expect("the server runs")
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("redis.log")).unwrap_or_default()
    }

    /// Kills it (SIGKILL) and waits for its end: what it has not saved is lost.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.expect("a child");
        }
    }

    /// Stops the process (SIGSTOP): connections stay open without an answer.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues a stopped process.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it if it runs, and starts it on the same port. With `keeps_data`, a running server saves
    /// its data first, and one that was killed has what it had saved; without it, the new one is
    /// empty.
    ///
    /// # Panics
    /// If it does not save, or does not start.
    pub async fn restart(&mut self, keeps_data: bool) {
        if keeps_data && self.process.is_some() {
            self.resume(); // a stopped process saves nothing
            self.cli(&["SAVE"]).await;
        }
        self.kill().await;
        if !keeps_data {
            self.empty();
        }
        let runs = self.run().await.expect("the program is still installed");
        assert!(runs, "{} has ended at its restart:\n{}", self.program, self.log());
    }

    /// The output of `redis-cli` with these arguments, without the line end.
    ///
    /// # Panics
    /// If it fails, or has no answer within 10 s.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        let name = self.program.rsplit('/').next().unwrap_or_default().replace("-server", "-cli");
        let program = match self.program.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{name}"),
            None => name,
        };
        let mut command = Command::new(&program);
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]).args(arguments);
        command.env_remove("REDISCLI_AUTH").stdin(Stdio::null()).kill_on_drop(true);
        if let Some((_, password)) = self.options.iter().find(|(name, _)| name == "requirepass") {
            command.env("REDISCLI_AUTH", password);
        }
        let output = timeout(CLI_WITHIN, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{program} {arguments:?} has no answer"));
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts the process; false if it ends instead of answering.
    async fn run(&mut self) -> io::Result<bool> {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let mut command = Command::new(&self.program);
        match &self.file {
            Some(file) => command.arg(file),
            None => command.args(["--save", "", "--appendonly", "no"]),
        };
        command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--dir", &path(""), "--logfile", &path("redis.log")]);
        command.args(["--unixsocket", &path("redis.sock")]);
        for (name, value) in &self.options {
            command.arg(format!("--{name}")).args(value.split(' '));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let answers = async {
            loop {
                match process.try_wait() {
                    Ok(None) if self.answers().await => return true,
                    Ok(None) => sleep(Duration::from_millis(10)).await,
                    _ => return false,
                }
            }
        };
        let runs = within(format!("an answer of {}", self.program), answers).await;
        self.process = runs.then_some(process);
        Ok(runs)
    }

    /// True if it answers a ping, even if only that a password is needed.
    async fn answers(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(self.address).await else { return false };
        let mut answer = [0; 7];
        let asks = async {
            socket.write_all(b"PING\r\n").await?;
            socket.read_exact(&mut answer).await
        };
        asks.await.is_ok() && [&b"+PONG\r\n"[..], b"-NOAUTH"].contains(&&answer[..])
    }

    /// Removes its files.
    fn empty(&mut self) {
        self.directory = tempfile::tempdir().expect("a directory");
    }

    fn skipped(&self, missing: &io::Error) -> Option<Self> {
        let required = env::var("WORLDCAST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == PROGRAM), "{}: {missing}", self.program);
        println!("skipped: {} not found", self.program);
        None
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }
}

/// An address with a port that is free at this moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}
