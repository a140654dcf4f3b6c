//! Fan-out beside peers: `cargo run --release -p worldcast-bench -- [PEER or SCENARIO]...
//! [--quick]`, `--against PROGRAM`, or `--draw FILE`.

use bench::{
    report::{self, Report},
    run::{self, Arguments},
};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments {
        Arguments { draw: Some(file), out, .. } => report::show(&Report::read(file)?, out),
        Arguments { against: Some(other), .. } => run::compare_builds(&arguments, other),
        _ => run::all(&arguments),
    }
}
