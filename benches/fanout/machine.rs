//! Where and when the figures were taken.

use serde::Serialize;
use std::{fs, time::SystemTime};

#[derive(Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    date: String,
    command: String,
}

impl Machine {
    pub fn here_and_now() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count(),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        }
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
