//! Servers beside each other: all of them run all the time, and are spoken to in turn, for some milliseconds each.
//!
//! Whatever disturbs the machine for longer than that disturbs all of them, so that a difference of one in a hundred
//! shows.

use crate::scenario::Bench;
use std::time::{Duration, Instant};

/// A server with its clients, at rest between its turns.
pub trait Party: Sized {
    /// Works for so long, and until everything that it began is done.
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()>;

    /// What its turns have shown.
    fn figure(&mut self) -> f64;
}

/// The figures of those that `gather` gathers, after turns of `turn` that are `time` for each, all together.
pub fn take_turns<P: Party>(
    benches: &[Bench],
    gather: impl Fn(&Bench) -> anyhow::Result<P>,
    turn: Duration,
    time: Duration,
) -> Vec<anyhow::Result<f64>> {
    let mut parties: Vec<_> = benches.iter().map(gather).collect();
    let (began, time) = (Instant::now(), time * benches.len() as u32);
    for first in (0..benches.len()).cycle() {
        if began.elapsed() >= time || parties.iter().all(Result::is_err) {
            break;
        }
        let (before, after) = parties.split_at_mut(first); // nobody always comes behind the same one
        for party in after.iter_mut().chain(before) {
            if let Ok(alive) = party
                && let Err(error) = alive.take_turn(turn)
            {
                *party = Err(error);
            }
        }
    }
    parties.into_iter().map(|party| Ok(party?.figure())).collect()
}
