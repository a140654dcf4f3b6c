//! A seeded simulation of several nodes over a Redis that answers late, loses answers, loses the
//! latest writes, begins empty, is emptied, and goes on beside its successor.
//!
//! The nodes are the real ones; Redis is a model of the scripts, and a small stand-in takes the
//! place of each hub. Everything that clients and publishers receive is checked against
//! docs/guarantees.md. A failure prints its seed and the last events.
//! `WORLDCAST_SIMULATION_SEED` runs one seed alone and prints every event;
//! `WORLDCAST_SIMULATION_SEEDS` runs more of them.

mod checks; // the promises, after everything has come to rest
mod client; // clients, and publishers over HTTP
mod connection; // processes of Redis, and connections to them
mod link; // the steps of links, and failures of Redis
mod process; // a node with its stand-in for the hub
mod world; // one schedule

use std::{
    env,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};
use world::World;

/// Schedules of each test, unless the environment has another number.
const SEEDS: u64 = 1000;

/// Steps of one schedule.
const STEPS: usize = 400;

/// Sums over schedules, as evidence that something has happened in them.
#[derive(Default)]
struct Tally {
    delivered: usize,
    told: usize,
    failures: usize,
    restored: u64,
    given_up: usize,
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Runs the schedules; the failure of one is printed with its seed and its last events.
fn run(splits: bool) {
    let seeds = match variable("WORLDCAST_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("WORLDCAST_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let mut tally = Tally::default();
    for seed in seeds {
        let mut world = World::new(seed, splits);
        let result = catch_unwind(AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.settle();
            world.check();
        }));
        if let Err(panic) = result {
            let mut last = String::new();
            for event in world.trace.iter().rev().take(12).rev() {
                writeln!(last, "  {event}").unwrap();
            }
            eprintln!("WORLDCAST_SIMULATION_SEED={seed} runs this seed alone; its last events:\n{last}");
            resume_unwind(panic);
        }
        tally.add(&world.tally);
    }
    let Tally { delivered, told, failures, restored, given_up } = tally;
    println!("{delivered} deliveries, {failures} failures of Redis, {told} times told");
    println!("{restored} messages restored, {given_up} publications given up");
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.told += other.told;
        self.failures += other.failures;
        self.restored += other.restored;
        self.given_up += other.given_up;
    }
}

#[test]
fn no_client_misses_or_repeats_a_message_unless_it_is_told() {
    run(false);
}

#[test]
fn the_same_holds_while_some_nodes_go_on_with_a_deposed_master() {
    run(true);
}
