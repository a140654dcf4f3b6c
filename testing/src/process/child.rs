//! A process of any program, seen from outside; it ends with its handle.

use super::polls;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs, io,
    process::{Child, ChildStderr, Command, ExitStatus},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The handle of a child process; dropping it kills the process.
pub struct Process(Child);

/// The pause between two looks at a process that is about to end.
const PAUSE: Duration = Duration::from_millis(2);

impl Process {
    /// Starts the process.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self(command.spawn()?))
    }

    /// The number by which the system knows the process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard error, once, if the command has piped it.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// Bytes of resident memory (RSS).
    ///
    /// # Errors
    /// If the process has ended.
    pub fn memory(&self) -> io::Result<usize> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        let kib = rollup.lines().find_map(|line| line.strip_prefix("Rss:")?.split_whitespace().next());
        let kib = kib.and_then(|kib| kib.parse::<usize>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("a process without Rss"))
    }

    /// The number of descriptors that each of its threads waits for.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn watched(&self) -> io::Result<Vec<usize>> {
        polls::watched(self.id())
    }

    /// Sends `signal`.
    ///
    /// # Errors
    /// If the process has ended and was waited for.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("the number of a process");
        Ok(kill_process(pid, signal)?)
    }

    /// The exit status if the process has ended.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn try_exit(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// The exit status; `None` if the process has not ended within `patience`.
    pub async fn exit(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.try_exit().expect("a child of this process");
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}
