//! The policy that a room gets when it begins.

use crate::{
    config::{EffectiveRoom, RoomName, Settings},
    history::HistoryLimits,
    room::RoomPolicy,
    wire::{self, Payload},
};
use bytes::Bytes;

/// The policy of rooms without an override, made once, and the settings for all others.
pub struct RoomPolicies {
    usual: RoomPolicy,
    settings: Settings,
}

impl RoomPolicies {
    pub fn new(settings: &Settings) -> Self {
        let usual = EffectiveRoom { ..settings.all_rooms().last().expect("rules for every room") };
        Self { usual: policy(&usual), settings: settings.clone() }
    }

    pub fn of(&self, room: &RoomName) -> RoomPolicy {
        match self.settings.rooms.overrides.is_empty() {
            true => self.usual.clone(),
            false => policy(&self.settings.room(room)),
        }
    }
}

fn policy(room_settings: &EffectiveRoom) -> RoomPolicy {
    RoomPolicy {
        history: HistoryLimits::of(&room_settings.history),
        greeting: greeting(&room_settings.greeting),
        presence: room_settings.presence,
        clients: if room_settings.clients == 0 { usize::MAX } else { room_settings.clients },
    }
}

fn greeting(text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| wire::plain(&Payload::Text(text.into())))
}
