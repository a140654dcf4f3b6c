//! Servers beside each other: all of them run all the time, and are spoken to in turn.
//!
//! Whatever disturbs the machine for longer than a turn disturbs all of them: in turns of some milliseconds a
//! difference of one in a hundred shows.

use crate::{apart::Apart, scenario::Bench};
use std::time::{Duration, Instant};

/// A server with its clients, at rest between its turns; or the figure of what takes none.
pub trait Party {
    /// Works for so long, and until everything that it began is done.
    fn take_turn(&mut self, time: Duration) -> anyhow::Result<()>;

    /// What its turns have shown.
    fn figure(&mut self) -> f64;
}

/// It was measured when the party was gathered.
impl Party for f64 {
    fn take_turn(&mut self, _: Duration) -> anyhow::Result<()> {
        Ok(())
    }

    fn figure(&mut self) -> f64 {
        *self
    }
}

/// The figures of all of them, after turns of `turn` that are `time` for each, all together.
pub fn take_turns(benches: &[Bench], turn: Duration, time: Duration) -> Vec<anyhow::Result<f64>> {
    let mut parties: Vec<_> = benches.iter().map(Apart::begin).collect();
    let (began, time) = (Instant::now(), time * benches.len() as u32);
    let mut order: Vec<_> = (0..parties.len()).collect();
    while began.elapsed() < time && parties.iter().any(Result::is_ok) {
        fastrand::shuffle(&mut order); // nobody always comes behind the same one
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
