//! What a newcomer hears first: a greeting or a welcome, and what it missed.

use crate::{
    hub::Admission,
    outbox::Outbox,
    protocol::{Protocol, Seal, events, v1},
    room::Recalled,
    wire,
};
use bytes::{Bytes, BytesMut};

/// Greets a session that has just been let into its room.
pub fn greet(outbox: &Outbox, mut admission: Admission, seal: &Seal) {
    let protocol = outbox.form.protocol;
    let mut missed = joined(protocol, &admission.recalled);
    if !outbox.has_room_to_recall(missed.len()) {
        admission.recalled.give_up();
        missed = Bytes::new();
    }
    let first = match protocol {
        Protocol::Bare => admission.greeting,
        Protocol::V1 => Some(welcome(&admission, seal)),
        Protocol::Events(framing) => {
            let Admission { room, recalled, .. } = &admission;
            Some(events::welcome(room, recalled.from, recalled.whole).framed(framing).clone())
        }
    };
    first.iter().for_each(|first| outbox.push(first, 1));
    outbox.push_recalled(&missed, admission.recalled.said.len());
}

fn welcome(Admission { who, room, recalled, .. }: &Admission, seal: &Seal) -> Bytes {
    let (position, recovered) = (recalled.from, recalled.whole);
    wire::plain(&v1::welcome(v1::Welcome {
        room,
        session: seal.sealed(*who),
        who: *who,
        position,
        recovered,
    }))
}

/// Without compression, which is worth its time only for what many hear.
fn joined(protocol: Protocol, recalled: &Recalled) -> Bytes {
    let mut all = BytesMut::new();
    for said in &recalled.said {
        all.extend_from_slice(&match protocol {
            Protocol::Bare => wire::plain(&said.payload),
            Protocol::V1 => wire::plain(&v1::message(said)),
            Protocol::Events(framing) => events::message(said).framed(framing).clone(),
        });
    }
    all.freeze()
}
