//! A party in a process of its own, since one process has not enough descriptors for the clients of many servers.
//!
//! It reads orders from its standard input, and answers each on its standard output, in a line. It ends when no more
//! orders can come.

use crate::{cores::Share, scenario::Bench};
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    env,
    io::{BufRead, BufReader, Write, stdin, stdout},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

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
        let mut command = Command::new(env::current_exe()?);
        command.args(bench.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = bench.cores.on_servers(Share::Both, || command.spawn())??;
        let answers = BufReader::new(process.stdout.take().context("a party that cannot answer")?);
        let mut party = Self { process, answers };
        party.answer::<()>()?;
        Ok(party)
    }

    pub fn take_turn(&mut self, time: Duration) -> anyhow::Result<()> {
        self.order(Order::Turn(time))?;
        self.answer()
    }

    pub fn figure(&mut self) -> anyhow::Result<f64> {
        self.order(Order::Figure)?;
        self.answer()
    }

    fn order(&mut self, order: Order) -> anyhow::Result<()> {
        let orders = self.process.stdin.as_mut().context("a party that cannot hear")?;
        Ok(writeln!(orders, "{}", serde_json::to_string(&order)?)?)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Result<T, String> =
            serde_json::from_str(&line).context("the party's process has ended")?;
        answer.map_err(|error| anyhow!(error))
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
        Err(error) => return answer::<()>(Err(error)),
    };
    answer(Ok(()))?;
    for order in stdin().lines() {
        match serde_json::from_str(&order?)? {
            Order::Turn(time) => answer(party.take_turn(time))?,
            Order::Figure => answer(Ok(party.figure()))?,
        }
    }
    Ok(())
}

fn answer<T: Serialize>(answer: anyhow::Result<T>) -> anyhow::Result<()> {
    let answer = answer.map_err(|error| format!("{error:#}"));
    Ok(writeln!(stdout(), "{}", serde_json::to_string(&answer)?)?)
}
