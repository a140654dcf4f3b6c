//! One message or notice on its way to the members of a room.

use crate::{
    backplane::Speaker,
    history::{Epoch, Message, Offset, Position},
    ids::{ConnectionId, SpeakerId},
    limits::{Credit, Permit},
    protocol::{Encoding, Protocol, sse, v1},
    room::Change,
    wire::{self, Deflater, Prepared},
};
use bytes::Bytes;
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

/// One message or notice for the members of a room, shared by all relays.
pub struct Broadcast {
    /// The time at which the hub received it.
    pub received: Instant,
    content: Content,
    speaker: Option<Speaker>,
    /// Returned when every relay has delivered the message; messages of the history hold none.
    permit: Option<Permit>,
}

enum Content {
    Message {
        message: Arc<Message>,
        raw: Prepared,
        /// Encoded at the first use.
        v1: OnceLock<Box<Prepared>>,
        event: OnceLock<Box<sse::Event>>,
    },
    /// For `worldcast.v1` only.
    Notice(Box<Notice>),
}

struct Notice {
    prepared: Prepared,
    /// The speaker that joined, and its connection if that is on this node; they do not receive the
    /// notice of their own joining.
    newcomer: Option<(SpeakerId, Option<ConnectionId>)>,
    credit: Option<Credit>,
}

static NOTHING: Bytes = Bytes::new();

impl Broadcast {
    /// Prepares `message` for delivery; `permit` is held until every relay has delivered it.
    pub fn message(message: Arc<Message>, speaker: Option<Speaker>, permit: Option<Permit>) -> Arc<Self> {
        let (received, raw) = (message.received, Prepared::new(message.payload.clone()));
        let content = Content::Message { message, raw, v1: OnceLock::new(), event: OnceLock::new() };
        Arc::new(Self { received, content, speaker, permit })
    }

    /// A notice that `who` has joined or left. Only members of `worldcast.v1` receive it, and the
    /// one that joined does not.
    pub fn notice(who: SpeakerId, change: Change, credit: Option<Credit>) -> Arc<Self> {
        let (payload, newcomer) = match change {
            Change::Joined { connection } => (v1::join(who), Some((who, connection))),
            Change::Left => (v1::leave(who), None),
        };
        Self::of_notice(Notice { prepared: Prepared::new(payload), newcomer, credit })
    }

    /// A notice that `epoch` begins, and that messages after `kept` that were delivered before are
    /// lost. Only members of `worldcast.v1` receive it; they need it also where none is lost, since
    /// their later positions are of this epoch.
    pub fn epoch(epoch: Epoch, kept: Offset) -> Arc<Self> {
        let prepared = Prepared::new(v1::epoch(epoch, kept, None));
        Self::of_notice(Notice { prepared, newcomer: None, credit: None })
    }

    /// A notice that the messages after `received`, which was delivered, up to `until` cannot be
    /// delivered. Only members of `worldcast.v1` receive it.
    pub fn hole(received: Offset, until: Position) -> Arc<Self> {
        let prepared = Prepared::new(v1::epoch(until.epoch, received, Some(until.offset)));
        Self::of_notice(Notice { prepared, newcomer: None, credit: None })
    }

    fn of_notice(notice: Notice) -> Arc<Self> {
        let content = Content::Notice(Box::new(notice));
        Arc::new(Self { received: Instant::now(), content, speaker: None, permit: None })
    }

    /// Returns the frame in this encoding; empty if the encoding omits it.
    pub fn encoded(&self, encoding: Encoding, deflater: &Deflater) -> &Bytes {
        match (&self.content, encoding.protocol) {
            (Content::Message { raw, .. }, Protocol::Raw) => raw.encoded(encoding.window, deflater),
            (Content::Message { message, v1, .. }, Protocol::V1) => v1
                .get_or_init(|| Box::new(Prepared::new(v1::message(message))))
                .encoded(encoding.window, deflater),
            (Content::Message { message, event, .. }, Protocol::Events(framing)) => {
                event.get_or_init(|| Box::new(sse::message(message))).framed(framing)
            }
            (Content::Notice(_), Protocol::Raw | Protocol::Events(_)) => &NOTHING,
            (Content::Notice(notice), Protocol::V1) => notice.prepared.encoded(encoding.window, deflater),
        }
    }

    /// Returns the length of the payload in bytes.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Message { message, .. } => message.payload.as_bytes().len(),
            Content::Notice(notice) => notice.prepared.payload().as_bytes().len(),
        }
    }

    /// Returns the speaker that does not receive it.
    pub fn excluded(&self) -> Option<SpeakerId> {
        match &self.content {
            Content::Message { message, .. } => message.audience.excluded(),
            Content::Notice(notice) => notice.newcomer.map(|(who, _)| who),
        }
    }

    /// Returns the connection that gets its own slices: it receives an ack, or is excluded.
    pub fn author(&self) -> Option<ConnectionId> {
        if let Content::Notice(notice) = &self.content {
            return notice.newcomer.and_then(|(_, connection)| connection);
        }
        let speaker = self.speaker.as_ref()?;
        (speaker.reference.is_some() || self.excluded().is_some()).then_some(speaker.connection)
    }

    /// Returns the ack frame with the message's offset, if `connection` published it with a `ref`.
    pub fn ack(&self, connection: ConnectionId) -> Option<Bytes> {
        let Speaker { reference, .. } =
            self.speaker.as_ref().filter(|speaker| speaker.connection == connection)?;
        match &self.content {
            Content::Message { message, .. } => {
                Some(wire::plain(&v1::ack(reference.as_ref()?, message.position.offset)))
            }
            Content::Notice(_) => None,
        }
    }

    /// Returns the credit of its room that it holds.
    pub fn credit(&self) -> Option<&Credit> {
        match &self.content {
            Content::Message { .. } => self.permit.as_ref()?.room.as_ref(),
            Content::Notice(notice) => notice.credit.as_ref(),
        }
    }
}
