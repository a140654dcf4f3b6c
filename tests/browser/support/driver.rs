//! chromedriver: a process that takes orders by HTTP and passes them on to its browser.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// It ends with its browser when this is dropped.
pub struct Driver {
    process: Child,
    port: u16,
    _output: BufReader<ChildStdout>, // a pipe without a reader ends who writes into it
}

/// It takes a free port of IPv6 and wants the same of IPv4, which any connection may hold: then it
/// gives up.
const ATTEMPTS: usize = 20;

impl Driver {
    pub fn start(program: &Path) -> Self {
        let mut words = Vec::new();
        (0..ATTEMPTS)
            .find_map(|_| Self::attempt(program, &mut words))
            .unwrap_or_else(|| panic!("chromedriver says where it listens, not {words:#?}"))
    }

    fn attempt(program: &Path, words: &mut Vec<String>) -> Option<Self> {
        let mut process = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let lines = output.by_ref().lines().map_while(Result::ok);
        let port = lines.inspect(|line| words.push(line.clone())).find_map(|line| port(&line));
        if port.is_none() {
            process.wait().expect("it has closed its output");
        }
        Some(Self { process, port: port?, _output: output })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A driver that is killed would leave its browser behind.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        socket.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// `ChromeDriver was started successfully on port 41723.`
fn port(line: &str) -> Option<u16> {
    line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
}
