//! Several servers at once: all of them run all the time and receive load in turn.
//!
//! A disturbance that lasts longer than a turn affects all of them: turns of some milliseconds show
//! differences of 1 %.

use super::party_process::PartyProcess;
use crate::scenarios::Measurement;
use std::time::{Duration, Instant};

/// The figure of each, in the unit of its scenario; all of them are measured in the same way.
pub fn measure(measurements: &[Measurement]) -> Vec<anyhow::Result<f64>> {
    let Some(Measurement { scenario, bench }) = measurements.first() else { return Vec::new() };
    let (turn, time) = scenario.turns(bench.pace);
    take_turns(measurements, turn, time)
}

/// The figures after turns of `turn`, which are `time` for each party together.
fn take_turns(measurements: &[Measurement], turn: Duration, time: Duration) -> Vec<anyhow::Result<f64>> {
    let mut parties: Vec<_> = measurements.iter().map(PartyProcess::start).collect();
    let (began, time) = (Instant::now(), time * measurements.len() as u32);
    let mut order: Vec<_> = (0..parties.len()).collect();
    while began.elapsed() < time && parties.iter().any(Result::is_ok) {
        fastrand::shuffle(&mut order); // no party always follows the same one
        for at in &order {
            if let Ok(alive) = &mut parties[*at]
                && let Err(error) = alive.take_turn(turn)
            {
                parties[*at] = Err(error);
            }
        }
    }
    parties.into_iter().map(|party| party?.figure()).collect()
}
