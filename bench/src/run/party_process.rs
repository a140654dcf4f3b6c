//! A party in a process of its own: one process has too few descriptors for the clients of many
//! servers.
//!
//! The process reads requests from its standard input and writes each response, a line of JSON, to
//! its standard output. It ends at the end of its input.

use crate::{cores::Share, peers::program_beside, scenarios::Measurement};
use anyhow::{Context, Error, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write, stdin, stdout},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// A request to the process, one line of JSON.
#[derive(Deserialize, Serialize)]
enum Request {
    Turn(Duration),
    Figure,
}

/// The process of a party; it ends when this is dropped.
pub struct PartyProcess {
    process: Child,
    responses: BufReader<ChildStdout>,
}

impl PartyProcess {
    /// Returns when all clients of the server are connected.
    pub fn start(of: &Measurement) -> anyhow::Result<Self> {
        let mut command = Command::new(program_beside("worldcast-bench-party"));
        command.args(arguments(of)).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It may use both cores, to divide them again.
        let mut process = of.bench.cores.on_server_cores(Share::Both, || command.spawn())??;
        let responses = BufReader::new(process.stdout.take().context("a party without standard output")?);
        let mut party = Self { process, responses };
        party.receive::<()>()?;
        Ok(party)
    }

    pub fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        self.send(Request::Turn(time))?;
        self.receive()
    }

    pub fn figure(&mut self) -> anyhow::Result<f64> {
        self.send(Request::Figure)?;
        self.receive()
    }

    fn send(&mut self, request: Request) -> anyhow::Result<()> {
        let requests = self.process.stdin.as_mut().context("a party without standard input")?;
        Ok(writeln!(requests, "{}", serde_json::to_string(&request)?)?)
    }

    fn receive<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        if self.responses.read_line(&mut line)? == 0 {
            bail!("the process of the clients has ended: {}", self.process.wait()?);
        }
        let response: Result<T, String> =
            serde_json::from_str(&line).with_context(|| format!("responded {line}"))?;
        response.map_err(Error::msg)
    }
}

impl Drop for PartyProcess {
    /// Waiting closes the standard input of the process first.
    fn drop(&mut self) {
        let _ = self.process.wait();
    }
}

/// The arguments of `src/bin/party.rs`.
fn arguments(of: &Measurement) -> Vec<&OsStr> {
    let mut arguments = vec![of.bench.program.as_os_str()];
    arguments.extend([of.bench.peer.name(), &of.scenario.name].map(OsStr::new));
    arguments.extend(of.bench.pace.quick.then_some(OsStr::new("--quick")));
    arguments
}

/// Opens the party and responds to requests until the end of standard input.
///
/// # Errors
/// If a request is no JSON or nothing reads the responses.
pub fn serve(of: &Measurement) -> anyhow::Result<()> {
    let mut party = match of.scenario.open(&of.bench) {
        Ok(party) => party,
        Err(error) => return respond::<()>(Err(error)),
    };
    respond(Ok(()))?;
    for request in stdin().lines() {
        match serde_json::from_str(&request?)? {
            Request::Turn(time) => respond(party.take_turn(time))?,
            Request::Figure => respond(Ok(party.figure()))?,
        }
    }
    Ok(())
}

fn respond<T: Serialize>(response: anyhow::Result<T>) -> anyhow::Result<()> {
    let response = response.map_err(|error| format!("{error:#}"));
    Ok(writeln!(stdout(), "{}", serde_json::to_string(&response)?)?)
}
