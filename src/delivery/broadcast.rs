//! What the hearers of a room are told, on its way.

use crate::{
    backplane::Speaker,
    history::Message,
    ids::{ConnectionId, SpeakerId},
    limits::{Credit, Permit},
    protocol::{Encoding, Protocol, sse, v1},
    room::Change,
    wire::{self, Compression, Prepared},
};
use bytes::Bytes;
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

/// What the hearers of a room are told, shared by all relays.
pub struct Broadcast {
    /// When the hub took it.
    pub taken: Instant,
    content: Content,
    speaker: Option<Speaker>,
    /// Comes back when every relay has handed the message to its outboxes; what the room remembers holds none.
    permit: Option<Permit>,
}

enum Content {
    Message {
        message: Arc<Message>,
        raw: Prepared,
        /// Made when the first needs it.
        v1: OnceLock<Box<Prepared>>,
        event: OnceLock<Box<sse::Event>>,
    },
    /// For clients of worldcast.v1 only.
    Notice(Box<Notice>),
}

struct Notice {
    prepared: Prepared,
    /// The session that it is about, and who that is, if it is not told itself.
    newcomer: Option<(ConnectionId, SpeakerId)>,
    credit: Option<Credit>,
}

static NOTHING: Bytes = Bytes::new();

impl Broadcast {
    pub fn message(message: Arc<Message>, speaker: Option<Speaker>, permit: Option<Permit>) -> Arc<Self> {
        let (taken, raw) = (message.received, Prepared::new(message.payload.clone()));
        let content = Content::Message { message, raw, v1: OnceLock::new(), event: OnceLock::new() };
        Arc::new(Self { taken, content, speaker, permit })
    }

    /// Somebody's coming or going, which only clients of worldcast.v1 are told, but not who came.
    pub fn notice(who: SpeakerId, change: Change, credit: Option<Credit>) -> Arc<Self> {
        let (payload, newcomer) = match change {
            Change::Came { connection } => (v1::join(who), Some((connection, who))),
            Change::Went => (v1::leave(who), None),
        };
        let content =
            Content::Notice(Box::new(Notice { prepared: Prepared::new(payload), newcomer, credit }));
        Arc::new(Self { taken: Instant::now(), content, speaker: None, permit: None })
    }

    /// The frame for a client of this form; empty if it is told nothing.
    pub fn encoded(&self, encoding: Encoding, compression: &Compression) -> &Bytes {
        match (&self.content, encoding.protocol) {
            (Content::Message { raw, .. }, Protocol::Raw) => raw.encoded(encoding.window, compression),
            (Content::Message { message, v1, .. }, Protocol::V1) => v1
                .get_or_init(|| Box::new(Prepared::new(v1::message(message))))
                .encoded(encoding.window, compression),
            (Content::Message { message, event, .. }, Protocol::Events(framing)) => {
                event.get_or_init(|| Box::new(sse::message(message))).framed(framing)
            }
            (Content::Notice(_), Protocol::Raw | Protocol::Events(_)) => &NOTHING,
            (Content::Notice(notice), Protocol::V1) => notice.prepared.encoded(encoding.window, compression),
        }
    }

    /// Bytes of what was message.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Message { message, .. } => message.payload.as_bytes().len(),
            Content::Notice(notice) => notice.prepared.payload().as_bytes().len(),
        }
    }

    /// Who does not hear it.
    pub fn left_out(&self) -> Option<SpeakerId> {
        match &self.content {
            Content::Message { message, .. } => message.audience.excluded(),
            Content::Notice(notice) => notice.newcomer.map(|(_, who)| who),
        }
    }

    /// The session that does not hear it as all others do.
    pub fn author(&self) -> Option<ConnectionId> {
        if let Content::Notice(notice) = &self.content {
            return notice.newcomer.map(|(connection, _)| connection);
        }
        let speaker = self.speaker.as_ref()?;
        (speaker.reference.is_some() || self.left_out().is_some()).then_some(speaker.connection)
    }

    /// The frame that tells `connection` the offset of what it message, if it asked for that.
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

    /// What it cost its room.
    pub fn credit(&self) -> Option<&Credit> {
        match &self.content {
            Content::Message { .. } => self.permit.as_ref()?.room.as_ref(),
            Content::Notice(notice) => notice.credit.as_ref(),
        }
    }
}
