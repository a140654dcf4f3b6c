//! What one client said and nobody has heard yet.

use super::{Breach, Promise, Utterance, words::Label};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long what was on its way when a client vanished may take.
const ON_ITS_WAY: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Speaker {
    unheard: VecDeque<Said>,
    bytes: usize,
    numbers: u32,
    state: State,
}

pub struct Said {
    pub label: Label,
    pub utterance: Utterance,
    pub when: Instant,
    pub at: u64,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Here,
    /// All that it said must be heard.
    Owed,
    /// What it said may be heard, or may never have come.
    Vanished(Instant),
    /// All that was accepted had been said before it was sent away.
    Heard,
}

impl Speaker {
    /// The number of what it says next.
    pub fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub fn says(&mut self, said: Said) {
        self.bytes += said.utterance.payload.len();
        self.unheard.push_back(said);
    }

    /// The oldest of what nobody has heard, which `heard` must be.
    pub fn is_heard(&mut self, label: Label, heard: &Utterance, by: &str) -> Result<Said, Breach> {
        if matches!(self.state, State::Heard) {
            let expected =
                "nothing that its speaker, who was sent away behind all it had said, has not heard";
            return Err(Breach::of(Promise::AcceptedIsDelivered, by, expected, heard));
        }
        let Some(said) = self.unheard.pop_front() else {
            let promise =
                if label.number <= self.numbers { Promise::ExactlyOnce } else { Promise::NothingInvented };
            return Err(Breach::of(promise, by, "nothing more of this speaker", heard));
        };
        self.bytes -= said.utterance.payload.len();
        if said.label.number == label.number && said.utterance == *heard {
            return Ok(said);
        }
        let promise = match label.number {
            earlier if earlier < said.label.number => Promise::ExactlyOnce,
            later if later > said.label.number => Promise::AcceptedIsDelivered,
            _ => Promise::NothingInvented,
        };
        Err(Breach::of(promise, by, said.utterance, heard))
    }

    pub fn is_gone(&mut self, state: super::Parting) {
        self.state = match state {
            super::Parting::Orderly => State::Owed,
            super::Parting::Sudden => State::Vanished(Instant::now()),
            super::Parting::Dismissed => State::Heard,
        };
    }

    /// The first message that must still be heard.
    pub fn owed(&self) -> Option<&Said> {
        self.unheard.front().filter(|_| matches!(self.state, State::Here | State::Owed))
    }

    /// Bytes that will surely come.
    pub fn unheard_bytes(&self) -> usize {
        if matches!(self.state, State::Here | State::Owed) { self.bytes } else { 0 }
    }

    /// Whether nothing of it can be heard any more.
    pub fn is_forgotten(&self, now: Instant) -> bool {
        match self.state {
            State::Here => false,
            State::Owed => self.unheard.is_empty(),
            State::Vanished(since) => self.unheard.is_empty() || now.duration_since(since) > ON_ITS_WAY,
            State::Heard => false,
        }
    }
}
