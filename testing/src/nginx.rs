//! nginx as a process, with a configuration file that is shipped.

use crate::{Process, within};
use rustix::process::Signal;
use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

const PROGRAM: &str = "nginx";

/// The paths of the program: that of Debian is in the path of root only.
const PATHS: [&str; 2] = [PROGRAM, "/usr/sbin/nginx"];

/// Free ports that are tried: another process may take one before nginx does.
const ATTEMPTS: usize = 10;

/// The deadline of an orderly end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// nginx while it runs; dropping this ends it.
pub struct Nginx {
    process: Process,
    directory: TempDir,
    /// The addresses on which it listens, in the order of the ports that were to be replaced.
    pub listeners: Vec<SocketAddr>,
}

impl Nginx {
    /// Starts nginx with the configuration in `text`, and waits until it listens: on free ports of
    /// loopback instead of `ports`, with other names and paths in place of those in `replaced`, and
    /// with its logs and all other files in a directory of its own. `None` if the program is not
    /// installed, which is printed, and which fails where WORLDCAST_REQUIRE names `nginx`.
    ///
    /// # Panics
    /// If a text that is to be replaced is missing, or if nginx refuses the configuration.
    pub async fn start(text: &str, ports: &[u16], replaced: &[(&str, String)]) -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let directory = tempfile::tempdir().expect("a directory");
            // Workers have another user than the process that starts them.
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("our directory");
            let listeners: Vec<_> = ports.iter().map(|_| free_address()).collect();
            let text = configuration(text, ports, &listeners, replaced, directory.path());
            let file = directory.path().join("nginx.conf");
            fs::write(&file, text).expect("our directory");
            let process = match spawn(directory.path(), &file) {
                Ok(process) => process,
                Err(missing) => return skipped(&missing),
            };
            let mut nginx = Self { process, directory, listeners };
            if nginx.listens().await {
                return Some(nginx);
            }
            let log = nginx.log("error.log") + &nginx.log("start.log");
            assert!(log.contains("Address already in use"), "nginx has ended at its start:\n{log}");
        }
        panic!("no port is free for nginx");
    }

    /// The text of one of its logs, `access.log` or `error.log`.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    /// True when it accepts connections, false if it ends instead.
    async fn listens(&mut self) -> bool {
        let polls = async {
            loop {
                match self.process.try_exit() {
                    Ok(None) if self.accepts().await => return true,
                    Ok(None) => sleep(Duration::from_millis(10)).await,
                    _ => return false,
                }
            }
        };
        within("nginx to listen", polls).await
    }

    async fn accepts(&self) -> bool {
        for address in &self.listeners {
            if TcpStream::connect(address).await.is_err() {
                return false;
            }
        }
        true
    }
}

impl Drop for Nginx {
    /// Its workers would go on without it, so it ends them first.
    fn drop(&mut self) {
        let _ = self.process.signal(Signal::TERM);
        let begun = Instant::now();
        while matches!(self.process.try_exit(), Ok(None)) && begun.elapsed() < END_WITHIN {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The shipped configuration with addresses and paths of a test.
fn configuration(
    text: &str,
    ports: &[u16],
    listeners: &[SocketAddr],
    replaced: &[(&str, String)],
    directory: &Path,
) -> String {
    let path = |name: &str| directory.join(name).display().to_string();
    let mut pairs = vec![
        ("/dev/stdout".to_owned(), path("access.log")),
        ("/dev/stderr".to_owned(), path("error.log")),
        ("/tmp/nginx.pid".to_owned(), path("nginx.pid")),
        ("http {".to_owned(), format!("http {{\n{}", temporary_files(directory))),
    ];
    pairs.extend(replaced.iter().map(|(old, new)| ((*old).to_owned(), new.clone())));
    let listen =
        |(port, address): (&u16, &SocketAddr)| (format!("listen {port}"), format!("listen {address}"));
    pairs.extend(ports.iter().zip(listeners).map(listen));
    pairs.iter().fold(text.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the configuration of nginx has no {old:?}");
        text.replace(old, new)
    })
}

/// Settings that keep files out of the directories of the system.
fn temporary_files(directory: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let line = |kind| format!("    {kind}_temp_path {};\n", directory.join(kind).display());
    kinds.map(line).concat()
}

fn spawn(directory: &Path, file: &Path) -> io::Result<Process> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for program in PATHS {
        let log = fs::File::create(directory.join("start.log"))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(directory).arg("-c").arg(file).args(["-g", "daemon off;"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        result = Process::spawn(&mut command);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn skipped(missing: &io::Error) -> Option<Nginx> {
    let required = env::var("WORLDCAST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == PROGRAM), "{PROGRAM}: {missing}");
    println!("skipped: {PROGRAM} not found");
    None
}

/// An address with a port that is free at this moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}
