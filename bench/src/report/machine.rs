//! The machine, the time and the versions of a run.

use crate::{
    cores::Cores,
    peers::{Peer, versions},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs,
    time::SystemTime,
};

#[derive(Deserialize, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    server_core: usize,
    client_core: usize,
    memory: String,
    kernel: String,
    date: String,
    /// The arguments of the command line.
    arguments: String,
    /// Versions by name, of the peers and their runtimes.
    versions: BTreeMap<String, String>,
}

impl Machine {
    pub fn here_and_now(cores: Cores, peers: &[Peer]) -> Self {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count(),
            server_core: cores.server,
            client_core: cores.client,
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            arguments: arguments.join(" "),
            versions: versions::of(peers),
        }
    }
}

impl Display for Machine {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let Self { processor, cores, server_core, client_core, memory, kernel, date, arguments, .. } = self;
        let versions: Vec<_> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        writeln!(to, "{processor}, {cores} cores: {server_core} the server's, {client_core} the client's")?;
        writeln!(to, "{memory} of memory, Linux {kernel}, {date}")?;
        writeln!(to, "{}", versions.join(", "))?;
        writeln!(to, "cargo run --release -p worldcast-bench -- {arguments}")
    }
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
