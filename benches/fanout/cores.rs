//! Which cores belong to the server and which to the client, and what keeps them awake.

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{hint::black_box, io, sync::mpsc, thread};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// How the cores are divided between server and client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Share {
    /// The server has a core of its own, and so has the client.
    #[default]
    OneEach,
    /// The server has both, the client rests while it works.
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

    /// Neither of them sleeps until this process ends.
    pub fn keep_awake(self) -> anyhow::Result<()> {
        [self.server, self.client].into_iter().try_for_each(keep_awake)
    }

    /// What `start` starts runs on the server's cores.
    pub fn on_servers<T>(self, share: Share, start: impl FnOnce() -> T) -> io::Result<T> {
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

/// Until the process ends, with a thread that runs when nothing else does (SCHED_IDLE): a virtual core that sleeps may
/// wake tens of milliseconds late, and somewhere else with cold caches.
fn keep_awake(core: usize) -> anyhow::Result<()> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(stay_on(&[core]).and_then(|()| give_way_to_everybody()));
        loop {
            black_box(core);
        }
    });
    told.recv()?.context("no thread can be made to run only when nothing else does")
}

fn give_way_to_everybody() -> io::Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let this = thread_priority::thread_native_id();
    thread_priority::set_thread_priority_and_policy(this, ThreadPriority::Min, idle).map_err(io::Error::other)
}
