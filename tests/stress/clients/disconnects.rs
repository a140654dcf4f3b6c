//! Clients that disconnect without a closing handshake, at every moment.

use super::{Client, End, PATIENCE, handshakes};
use crate::{plan::Visit, stage::Stage};
use fastrand::Rng;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Disconnect {
    /// Connects and disconnects.
    WithoutAWord,
    /// Half a request.
    WithinTheRequest,
    /// A whole request whose answer it does not wait for.
    BeforeTheAnswer,
    /// A reset within a frame.
    WithinAFrame,
    /// A FIN after its messages, without a close frame.
    Closing,
    /// A reset.
    Resetting,
    /// A FIN after its messages; it still reads.
    HalfClosing,
    /// A close frame whose answer it does not wait for.
    Hanging,
}

impl Disconnect {
    pub fn draw(rng: &mut Rng) -> Self {
        use Disconnect::*;
        let all = [
            WithoutAWord,
            WithinTheRequest,
            BeforeTheAnswer,
            WithinAFrame,
            Closing,
            Resetting,
            HalfClosing,
            Hanging,
        ];
        all[rng.usize(..all.len())]
    }

    pub fn is_before_the_answer(self) -> bool {
        matches!(self, Self::WithoutAWord | Self::WithinTheRequest | Self::BeforeTheAnswer)
    }
}

/// Disconnects before the server has answered.
pub async fn disconnects_at_once(stage: &Stage, way: Disconnect, visit: &Visit) -> End {
    let mut rng = Rng::with_seed(visit.seed);
    let request = handshakes::request(visit.room, true, visit.compressed);
    let sent = match way {
        Disconnect::WithoutAWord => 0,
        Disconnect::WithinTheRequest => rng.usize(1..request.len()),
        _ => request.len(),
    };
    let Ok(mut socket) = TcpStream::connect(handshakes::address(stage, &mut rng)).await else {
        return End::NotAdmitted;
    };
    let written = socket.write_all(&request.as_bytes()[..sent]).await;
    if rng.bool() {
        // A reset.
        let _ = socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO));
    }
    written.map_or(End::NotAdmitted, |()| End::Disconnected)
}

/// Publishes and disconnects.
pub async fn disconnects(client: &mut Client, way: Disconnect) -> Result<End, End> {
    if client.rng.bool() {
        client.waits_for_greeting().await?;
    }
    (0..client.rng.u8(..4)).for_each(|_| client.publishes(100));
    match way {
        Disconnect::HalfClosing => {
            client.line.half_closes();
            return Ok(client.ends_within(PATIENCE).await);
        }
        Disconnect::WithinAFrame => client.sends_bytes(b"\x81\xfe\x01\0abcdefgh"),
        Disconnect::Resetting => client.line.will_reset(),
        Disconnect::Hanging => client.sends_bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
        _ => {}
    }
    Ok(End::Disconnected)
}
