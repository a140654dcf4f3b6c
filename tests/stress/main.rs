//! Hundreds of clients of every kind against the real program, judged by a model of what is
//! promised.
//!
//! `cargo test --test stress` plays for some seconds; `cargo test --release --test stress --
//! --minutes 30` for longer, and with `--nodes 3` over nodes that share one Redis. The seed that is
//! printed brings the same crowd again: `-- --seed N`.

mod options; // the command line
mod settings; // the settings of the server
mod plan; // the visits of all clients
mod acts; // the course of a run
mod nodes; // the course of a run over several nodes
mod stage; // the state that all clients share
mod clients; // orderly clients, and all others
mod model; // the promises
mod watch; // memory and metrics of the process
mod report; // the figures

use options::Options;
use plan::Plan;
use std::process::ExitCode;
use testing::process; // the program in a process of its own
use tokio::{runtime, task::LocalSet};

fn main() -> ExitCode {
    let Some(Options { seed, length, nodes }) = Options::read(std::env::args().skip(1)) else {
        return ExitCode::SUCCESS;
    };
    println!("stress: seed {seed}, {length:?} of talk");
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let plan = Plan::new(seed, length);
    let play = async {
        match nodes {
            0 => Some(acts::play(plan).await),
            nodes => nodes::play(plan, seed, nodes).await,
        }
    };
    let Some((stage, verdict)) = LocalSet::new().block_on(&runtime, play) else { return ExitCode::SUCCESS };
    println!("{}", stage.report());
    let Some(breach) = verdict.err().or(stage.breach()) else { return ExitCode::SUCCESS };
    println!("\n{breach}");
    println!(
        "\nstress: failed with seed {seed}; `cargo test --test stress -- --seed {seed}` and the same options bring the same \
         crowd"
    );
    ExitCode::FAILURE
}
