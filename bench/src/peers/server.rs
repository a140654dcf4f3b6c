//! The process of a server: started on its cores, observed in /proc, killed at the end.

use super::Ports;
use crate::cores::{Cores, Share};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use testing::Process;

pub struct Server {
    process: Process,
    ports: Ports,
}

/// The deadline of everything that a server has to do.
pub const DEADLINE: Duration = Duration::from_secs(20);

impl Server {
    /// Returns when the server accepts connections.
    pub fn start(command: impl FnOnce(Ports) -> Command, cores: Cores, share: Share) -> anyhow::Result<Self> {
        let ports = free_ports()?;
        let mut command = command(ports);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = cores
            .on_server_cores(share, || Process::spawn(&mut command))?
            .context("the server does not start")?;
        let mut server = Self { process, ports };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    pub fn address(&self) -> SocketAddr {
        local(self.ports.clients)
    }

    /// Waits until all threads sleep and none has used its core since the last look.
    pub fn wait_until_idle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut before = None;
        loop {
            sleep(Duration::from_micros(150));
            let now = self.all_sleep()?.then(|| self.cpu()).transpose()?;
            if now.is_some() && now == before {
                return Ok(());
            }
            before = now;
            ensure!(began.elapsed() < DEADLINE, "the server does not become idle");
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

    /// CPU time of all threads since it was `before`.
    pub fn cpu_since(&self, before: Duration) -> anyhow::Result<Duration> {
        self.cpu()?.checked_sub(before).context("a thread of the server has ended, and its time with it")
    }

    /// Bytes of resident memory.
    pub fn memory(&self) -> anyhow::Result<u64> {
        Ok(self.process.memory()? as u64)
    }

    /// The metrics, read over a connection of their own.
    pub fn scrape(&self) -> anyhow::Result<String> {
        let mut socket = TcpStream::connect(local(self.ports.operators))?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no metrics: {answer}");
        Ok(answer)
    }

    /// The number of descriptors in the epoll set of each thread.
    pub fn watched(&self) -> anyhow::Result<Vec<usize>> {
        Ok(self.process.watched()?)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.address()).is_err() {
            if let Some(status) = self.process.try_exit()? {
                bail!("the server ended at once: {status}");
            }
            ensure!(began.elapsed() < DEADLINE, "the server does not listen");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn all_sleep(&self) -> io::Result<bool> {
        let mut all = true;
        self.for_each_thread("stat", |text| {
            // "1 (name) S …", and the name may hold anything
            all &= text.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('R'));
        })?;
        Ok(all)
    }

    fn for_each_thread(&self, file: &str, mut take: impl FnMut(&str)) -> io::Result<()> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            if let Ok(text) = fs::read_to_string(thread?.path().join(file)) {
                take(&text); // else it has just ended
            }
        }
        Ok(())
    }
}

/// Below those that Linux gives to clients (`ip_local_port_range`), of whom there may be thousands.
fn free_ports() -> io::Result<Ports> {
    let (clients, operators) = (free_listener()?, free_listener()?);
    Ok(Ports { clients: clients.local_addr()?.port(), operators: operators.local_addr()?.port() })
}

fn free_listener() -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(local(fastrand::u16(10_000..32_768))) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
