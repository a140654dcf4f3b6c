//! The descriptors that the threads of a process wait for, read in /proc.

use std::{collections::BTreeSet, fs, io};

/// Returns the number of descriptors for each epoll instance (proc_pid_fdinfo(5)).
pub fn watched(pid: u32) -> io::Result<Vec<usize>> {
    let mut lists = BTreeSet::new(); // a thread may have its list twice
    for descriptor in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let Ok(text) = fs::read_to_string(descriptor?.path()) else { continue }; // closed meanwhile
        lists.insert(text.lines().filter(|line| line.starts_with("tfd:")).collect::<String>());
    }
    Ok(lists.iter().map(|list| list.matches("tfd:").count()).collect())
}
