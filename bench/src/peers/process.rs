//! One process of a server, observed in /proc.

use anyhow::{Context, bail};
use std::{
    fs, io,
    process::{Command, Stdio},
    time::Duration,
};
use testing::Process;

pub struct Observed(Process);

impl Observed {
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Process::spawn(command);
        Ok(Self(process.with_context(|| format!("{} does not start", command.get_program().display()))?))
    }

    /// # Errors
    /// If it has ended.
    pub fn runs(&mut self) -> anyhow::Result<()> {
        match self.0.try_exit()? {
            Some(status) => bail!("the server ended at once: {status}"),
            None => Ok(()),
        }
    }

    /// CPU time of all threads together. Exact while they sleep.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanoseconds = 0;
        self.for_each_thread("schedstat", |text| {
            nanoseconds += text.split(' ').next().and_then(|spent| spent.parse().ok()).unwrap_or(0);
        })?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Bytes of resident memory.
    pub fn memory(&self) -> anyhow::Result<u64> {
        Ok(self.0.memory()? as u64)
    }

    /// The number of descriptors in the epoll set of each thread.
    pub fn watched(&self) -> anyhow::Result<Vec<usize>> {
        Ok(self.0.watched()?)
    }

    pub fn sleeps(&self) -> io::Result<bool> {
        let mut all = true;
        self.for_each_thread("stat", |text| {
            // "1 (name) S …", and the name may hold anything
            all &= text.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('R'));
        })?;
        Ok(all)
    }

    fn for_each_thread(&self, file: &str, mut take: impl FnMut(&str)) -> io::Result<()> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            if let Ok(text) = fs::read_to_string(thread?.path().join(file)) {
                take(&text); // else it has just ended
            }
        }
        Ok(())
    }
}
