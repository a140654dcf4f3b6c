//! The cores of the server and of the client, and the threads that keep them awake.

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{hint::black_box, io, sync::mpsc, thread};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// The division of the cores between server and client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Share {
    /// The server has a core of its own, and so has the client.
    #[default]
    OneEach,
    /// The server has both; the client sleeps while the server works.
    Both,
}

/// The first and the last core that this process may use.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub server: usize,
    pub client: usize,
}

impl Cores {
    /// Takes two cores, and moves this thread to the client's.
    pub fn divide() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None).context("which cores there are")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("no core at all")?;
        let client = cores.next_back().unwrap_or(server);
        ensure!(server != client, "server and client need a core each");
        stay_on(&[client])?;
        Ok(Self { server, client })
    }

    /// Keeps both from sleeping until this process ends.
    pub fn keep_awake(self) -> anyhow::Result<()> {
        [self.server, self.client].into_iter().try_for_each(keep_awake)
    }

    /// Calls `start`; the processes that it starts run on the server's cores.
    pub fn on_server_cores<T>(self, share: Share, start: impl FnOnce() -> T) -> io::Result<T> {
        match share {
            Share::OneEach => stay_on(&[self.server])?,
            Share::Both => stay_on(&[self.server, self.client])?,
        }
        let started = start();
        stay_on(&[self.client])?;
        Ok(started)
    }
}

fn stay_on(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Starts a thread that runs when nothing else does (SCHED_IDLE): a sleeping virtual core may wake
/// tens of milliseconds late, and on another processor with cold caches.
fn keep_awake(core: usize) -> anyhow::Result<()> {
    let (report, started) = mpsc::channel();
    thread::spawn(move || {
        let _ = report.send(stay_on(&[core]).and_then(|()| run_only_when_idle()));
        loop {
            black_box(core);
        }
    });
    started.recv()?.context("no thread can be made to run only when nothing else does")
}

fn run_only_when_idle() -> io::Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let this = thread_priority::thread_native_id();
    thread_priority::set_thread_priority_and_policy(this, ThreadPriority::Min, idle).map_err(io::Error::other)
}
