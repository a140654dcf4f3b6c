//! The messages and requests of one client, as commands to the hub.

use super::Session;
use crate::{
    backplane::{Finish, GetPresence, Speaker},
    history::{Audience, NewMessage},
    hub::{Command, Publish},
    ids::{Reference, RoomSlot},
    limits::Permit,
    protocol::{
        CloseReason, Protocol,
        v1::{self, Request, RequestError},
    },
    wire::{self, Payload, WireError},
};

impl Session {
    /// Handles a message, which holds `permit` until it is delivered or refused.
    pub(super) fn on_message(&mut self, room: RoomSlot, payload: Payload, permit: Permit) {
        match (self.options.encoding.protocol, payload) {
            (Protocol::Raw | Protocol::Events(_), payload) => self.publish(room, payload, None, permit),
            (Protocol::V1, Payload::Text(text)) => match Request::read(&text) {
                Ok(Request::Publish { reference, payload }) => self.publish(room, payload, reference, permit),
                Ok(Request::Presence { reference }) => self.query_presence(reference, permit),
                Err(error) => self.send_error(&error),
            },
            (Protocol::V1, Payload::Binary(_)) => self.send_error(&RequestError {
                reference: None,
                code: "request",
                message: "requests are JSON in text frames".to_owned(),
            }),
        }
    }

    fn publish(&mut self, room: RoomSlot, payload: Payload, reference: Option<Reference>, permit: Permit) {
        if !self.options.rights.publish {
            return self.refuse(reference);
        }
        let bytes = payload.as_bytes().len();
        if bytes > self.max_message {
            // The frame was within its limit, which allows for the escapes of JSON.
            return self.finish(CloseReason::Wire(WireError::MessageTooBig));
        }
        self.received.count(1, bytes);
        self.worker.shared.metrics.messages_received.inc();
        self.worker.shared.metrics.bytes_received.inc_by(bytes as u64);
        self.worker.hub.send(Command::Publish(Publish {
            room,
            speaker: Speaker { connection: self.id, reference },
            message: NewMessage { payload, who: Some(self.who), audience: self.audience() },
            permit: Some(permit), // held until delivery; bounds the commands in the mailbox of the hub
            peer: self.options.peer,
        }));
    }

    fn audience(&self) -> Audience {
        if self.options.echo { Audience::Everyone } else { Audience::Except(self.who) }
    }

    /// Refuses a message of a client without the right to publish: the raw protocol closes, `v1`
    /// answers with an error.
    fn refuse(&self, reference: Option<Reference>) {
        let reason = CloseReason::MayNotPublish;
        match self.options.encoding.protocol {
            Protocol::Raw | Protocol::Events(_) => self.finish(reason),
            Protocol::V1 => {
                let (code, message) = (reason.name(), reason.to_string());
                self.send_error(&RequestError { reference, code, message });
            }
        }
    }

    fn query_presence(&self, reference: Option<Reference>, permit: Permit) {
        self.worker.hub.send(Command::GetPresence(GetPresence {
            connection: self.id,
            relay: self.worker.relay,
            room: self.options.room.clone(),
            reference,
            permit: Some(permit), // bounds the commands in the mailbox of the hub
        }));
    }

    fn send_error(&self, error: &RequestError) {
        self.connection.push(&wire::plain(&v1::error(error)), 1);
    }

    /// Closes after everything that this session published has been delivered.
    pub(super) fn finish(&self, reason: CloseReason) {
        self.connection.stop_reading(reason);
        let finish = Finish { connection: self.id, relay: self.worker.relay };
        self.worker.hub.send(Command::Finish(finish)); // sent once: nothing is read after it
    }
}
