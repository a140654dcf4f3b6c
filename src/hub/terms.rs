//! What the hub must know about a room when it begins.

use crate::{
    config::{RoomName, RoomRules, Settings},
    room::{HistoryLimits, RoomTerms},
    wire::{self, Payload},
};
use bytes::Bytes;

/// The terms of rooms without a rule of their own, made once, and the settings for all others.
pub struct AllTerms {
    usual: RoomTerms,
    settings: Settings,
}

impl AllTerms {
    pub fn new(settings: &Settings) -> Self {
        let usual = RoomRules { ..settings.all_rules().last().expect("rules for every room") };
        Self { usual: terms(&usual), settings: settings.clone() }
    }

    pub fn of(&self, room: &RoomName) -> RoomTerms {
        match self.settings.rooms.overrides.is_empty() {
            true => self.usual.clone(),
            false => terms(&self.settings.rules_of(room)),
        }
    }
}

fn terms(rules: &RoomRules) -> RoomTerms {
    RoomTerms {
        history: HistoryLimits::of(&rules.history),
        greeting: greeting(&rules.greeting),
        presence: rules.presence,
        clients: if rules.clients == 0 { usize::MAX } else { rules.clients },
    }
}

fn greeting(text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| wire::plain(&Payload::Text(text.into())))
}
