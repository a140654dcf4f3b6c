//! What the hub must know about a room when it begins.

use crate::{
    config::{RoomName, RoomRules, Settings},
    room::{HistoryLimits, RoomPolicy},
    wire::{self, Payload},
};
use bytes::Bytes;

/// The terms of rooms without a rule of their own, made once, and the settings for all others.
pub struct RoomPolicies {
    usual: RoomPolicy,
    settings: Settings,
}

impl RoomPolicies {
    pub fn new(settings: &Settings) -> Self {
        let usual = RoomRules { ..settings.all_rules().last().expect("rules for every room") };
        Self { usual: policy(&usual), settings: settings.clone() }
    }

    pub fn of(&self, room: &RoomName) -> RoomPolicy {
        match self.settings.rooms.overrides.is_empty() {
            true => self.usual.clone(),
            false => policy(&self.settings.rules_of(room)),
        }
    }
}

fn policy(rules: &RoomRules) -> RoomPolicy {
    RoomPolicy {
        history: HistoryLimits::of(&rules.history),
        greeting: greeting(&rules.greeting),
        presence: rules.presence,
        clients: if rules.clients == 0 { usize::MAX } else { rules.clients },
    }
}

fn greeting(text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| wire::plain(&Payload::Text(text.into())))
}
