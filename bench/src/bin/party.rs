//! The clients of one server, in a process of their own: `src/run/party_process.rs` starts it.

use anyhow::Context;
use bench::{
    bench::{Bench, Pace},
    cores::Cores,
    peers::Peer,
    run,
    scenarios::{Measurement, catalogue},
};
use clap::Parser;
use std::path::PathBuf;

/// Serves the benchmark: connects the clients of one scenario to one peer.
#[derive(Parser)]
struct Arguments {
    /// The program of the server.
    program: PathBuf,
    peer: String,
    scenario: String,

    /// A tenth of the time.
    #[arg(long)]
    quick: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { program, peer, scenario, quick } = Arguments::parse();
    let peer = Peer::ALL.into_iter().find(|known| known.name() == peer).context("an unknown peer")?;
    let mut known = catalogue::groups().into_iter().flatten();
    let scenario = known.find(|known| known.name == scenario).context("an unknown scenario")?;
    let bench = Bench { peer, program, pace: Pace { rounds: 1, quick }, cores: Cores::divide()? };
    run::serve(&Measurement { scenario, bench })
}
