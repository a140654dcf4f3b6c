//! A party in a process of its own, since one process has not enough descriptors for the clients of many servers.
//!
//! It reads orders from its standard input, and answers each on its standard output, in a line. It ends when no more
//! orders can come.

use crate::{cores::Share, scenario::Bench};
use anyhow::{Context, Error, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{BufRead, BufReader, Write, stdin, stdout},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// What its process is told, in a line.
#[derive(Deserialize, Serialize)]
enum Order {
    Turn(Duration),
    Figure,
}

/// The process of a party; it ends with this.
pub struct Apart {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Apart {
    /// Returns when the server has all its clients.
    pub fn begin(bench: &Bench) -> anyhow::Result<Self> {
        let mut command = Command::new("/proc/self/exe"); // by its path there may be a newer build
        command.args(bench.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It may use both cores, to divide them again.
        let mut process = bench.cores.on_servers(Share::Both, || command.spawn())??;
        let answers = BufReader::new(process.stdout.take().context("a party that cannot answer")?);
        let mut party = Self { process, answers };
        party.hear::<()>()?;
        Ok(party)
    }

    pub fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        self.order(Order::Turn(time))?;
        self.hear()
    }

    pub fn figure(&mut self) -> anyhow::Result<f64> {
        self.order(Order::Figure)?;
        self.hear()
    }

    fn order(&mut self, order: Order) -> anyhow::Result<()> {
        let orders = self.process.stdin.as_mut().context("a party that cannot hear")?;
        Ok(writeln!(orders, "{}", serde_json::to_string(&order)?)?)
    }

    fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the process of the clients has ended: {}", self.process.wait()?);
        }
        let answer: Result<T, String> =
            serde_json::from_str(&line).with_context(|| format!("answered {line}"))?;
        answer.map_err(Error::msg)
    }
}

impl Drop for Apart {
    /// Waiting closes its standard input first.
    fn drop(&mut self) {
        let _ = self.process.wait();
    }
}

/// What that process does.
pub fn serve(bench: &Bench) -> anyhow::Result<()> {
    let mut party = match bench.party() {
        Ok(party) => party,
        Err(error) => return tell::<()>(Err(error)),
    };
    tell(Ok(()))?;
    for order in stdin().lines() {
        match serde_json::from_str(&order?)? {
            Order::Turn(time) => tell(party.take_turn(time))?,
            Order::Figure => tell(Ok(party.figure()))?,
        }
    }
    Ok(())
}

fn tell<T: Serialize>(answer: anyhow::Result<T>) -> anyhow::Result<()> {
    let answer = answer.map_err(|error| format!("{error:#}"));
    Ok(writeln!(stdout(), "{}", serde_json::to_string(&answer)?)?)
}
