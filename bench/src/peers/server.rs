//! The processes of a server, on its cores: one, or several nodes and their Redis.

use super::{Cluster, Ports, process::Observed, redis};
use crate::cores::{Cores, Share};
use anyhow::{Context, ensure};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub struct Server {
    nodes: Vec<Observed>,
    ports: Vec<Ports>,
    cluster: Cluster,
    redis: Option<Observed>,
    /// The files of Redis.
    _directory: Option<TempDir>,
}

/// A part whose CPU time is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// All nodes, or the only server.
    Nodes,
    Redis,
    LastNode,
}

/// The deadline of everything that a server has to do.
pub const DEADLINE: Duration = Duration::from_secs(20);

impl Server {
    /// Returns when the server accepts connections, and every node is ready.
    pub fn start(
        command: impl Fn(Ports) -> Command,
        cluster: Cluster,
        cores: Cores,
        share: Share,
    ) -> anyhow::Result<Self> {
        let (nodes, ports) = (Vec::new(), Vec::new());
        let mut server = Self { nodes, ports, cluster, redis: None, _directory: None };
        let redis = if cluster.nodes > 0 { Some(server.start_redis(cores, share)?) } else { None };
        for _ in 0..cluster.nodes.max(1) {
            let ports = Ports { redis, ..free_ports()? };
            let node = cores.on_server_cores(share, || Observed::start(&mut command(ports)))??;
            server.nodes.push(node);
            server.ports.push(ports);
            wait_until_it_listens(server.nodes.last_mut().context("just started")?, ports.clients)?;
        }
        if redis.is_some() {
            server.wait_until_ready()?;
        }
        Ok(server)
    }

    fn start_redis(&mut self, cores: Cores, share: Share) -> anyhow::Result<u16> {
        let (port, directory) = (free_port()?, tempfile::tempdir()?);
        let mut command = redis(port, self.cluster.append_only);
        command.current_dir(directory.path());
        let process = cores.on_server_cores(share, || Observed::start(&mut command))??;
        wait_until_it_listens(self.redis.insert(process), port)?;
        self._directory = Some(directory);
        Ok(port)
    }

    /// The address for the client with this number.
    pub fn address(&self, client: usize) -> SocketAddr {
        let node = if self.cluster.spreads { client % self.ports.len() } else { 0 };
        local(self.ports[node].clients)
    }

    /// Waits until all threads sleep and none has used its core since the last look.
    pub fn wait_until_idle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut before = None;
        loop {
            sleep(Duration::from_micros(150));
            let now = self.all_sleep()?.then(|| self.cpu_of_all()).transpose()?;
            if now.is_some() && now == before {
                return Ok(());
            }
            before = now;
            ensure!(began.elapsed() < DEADLINE, "the server does not become idle");
        }
    }

    /// CPU time of all threads of a part. Exact while they sleep.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn cpu_of(&self, part: Part) -> anyhow::Result<Duration> {
        match part {
            Part::Nodes => self.nodes.iter().map(Observed::cpu).sum(),
            Part::Redis => self.redis.as_ref().context("no Redis")?.cpu(),
            Part::LastNode => self.nodes.last().context("no node")?.cpu(),
        }
    }

    /// CPU time of all nodes.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.cpu_of(Part::Nodes)
    }

    /// CPU time of all nodes since it was `before`.
    pub fn cpu_since(&self, before: Duration) -> anyhow::Result<Duration> {
        self.cpu_of_since(Part::Nodes, before)
    }

    /// CPU time of a part since it was `before`.
    pub fn cpu_of_since(&self, part: Part, before: Duration) -> anyhow::Result<Duration> {
        let spent = self.cpu_of(part)?.checked_sub(before);
        spent.context("a thread of the server has ended, and its time with it")
    }

    /// Bytes of resident memory of the first node.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.nodes[0].memory()
    }

    /// The metrics of the first node, read over a connection of their own.
    pub fn scrape(&self) -> anyhow::Result<String> {
        let answer = get(self.ports[0].operators, "/metrics")?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no metrics: {answer}");
        Ok(answer)
    }

    /// The number of descriptors in the epoll set of each thread of the first node.
    pub fn watched(&self) -> anyhow::Result<Vec<usize>> {
        self.nodes[0].watched()
    }

    fn processes(&self) -> impl Iterator<Item = &Observed> {
        self.nodes.iter().chain(&self.redis)
    }

    fn cpu_of_all(&self) -> anyhow::Result<Duration> {
        self.processes().map(Observed::cpu).sum()
    }

    fn all_sleep(&self) -> io::Result<bool> {
        self.processes().try_fold(true, |all, process| Ok(process.sleeps()? && all))
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        for ports in &self.ports {
            // The listener for operators may come later than that for clients.
            while !get(ports.operators, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                ensure!(began.elapsed() < DEADLINE, "a node is not ready");
                sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

fn wait_until_it_listens(process: &mut Observed, port: u16) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect(local(port)).is_err() {
        process.runs()?;
        ensure!(began.elapsed() < DEADLINE, "the server does not listen");
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The answer to a GET, over a connection of its own.
fn get(port: u16, path: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect(local(port))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_ports() -> io::Result<Ports> {
    Ok(Ports { clients: free_port()?, operators: free_port()?, redis: None })
}

/// Below those that Linux gives to clients (`ip_local_port_range`), of whom there may be thousands.
fn free_port() -> io::Result<u16> {
    loop {
        match TcpListener::bind(local(fastrand::u16(10_000..32_768))) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return Ok(bound?.local_addr()?.port()),
        }
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
