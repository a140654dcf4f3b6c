//! The client that a line of the log is about, in one form for every line.

use crate::{config::RoomName, ids::ConnectionId};
use std::{fmt, net::SocketAddr};

/// The client that a line is about: `session 7 from 192.0.2.1:51234 in news`, with `-` for what is
/// unknown.
///
/// It stands behind a tab, which [`Escaped`](super::Escaped) text never contains, so no client can
/// forge it.
pub struct Subject<'a> {
    kind: Kind,
    peer: Option<SocketAddr>,
    room: Option<&'a RoomName>,
}

enum Kind {
    Session(ConnectionId),
    /// An attempt to become a session.
    Handshake,
    /// A plain request over HTTP.
    Request,
}

impl<'a> Subject<'a> {
    /// A session and its room.
    pub fn session(id: ConnectionId, peer: Option<SocketAddr>, room: Option<&'a RoomName>) -> Self {
        Self { kind: Kind::Session(id), peer, room }
    }

    /// An attempt to become a session.
    pub fn handshake(peer: Option<SocketAddr>, room: Option<&'a RoomName>) -> Self {
        Self { kind: Kind::Handshake, peer, room }
    }

    /// A plain request over HTTP.
    pub fn request(peer: Option<SocketAddr>, room: Option<&'a RoomName>) -> Self {
        Self { kind: Kind::Request, peer, room }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Session(id) => write!(f, "session {id} from ")?,
            Kind::Handshake => f.write_str("handshake from ")?,
            Kind::Request => f.write_str("request from ")?,
        }
        match self.peer {
            Some(peer) => write!(f, "{peer} in ")?,
            None => f.write_str("- in ")?,
        }
        f.write_str(self.room.map_or("-", RoomName::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_same_form() {
        let (peer, room) = ("192.0.2.1:51234".parse().ok(), "news".parse().unwrap());
        let id = ConnectionId::next();
        let session = Subject::session(id, peer, Some(&room));
        assert_eq!(session.to_string(), format!("session {id} from 192.0.2.1:51234 in news"));
        assert_eq!(Subject::handshake(peer, None).to_string(), "handshake from 192.0.2.1:51234 in -");
        assert_eq!(Subject::request(None, Some(&room)).to_string(), "request from - in news");
    }
}
