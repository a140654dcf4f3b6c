//! Clients that go without a goodbye, at every moment there is.

use super::{Client, End, PATIENCE, doorstep};
use crate::{plan::Visit, stage::Stage};
use fastrand::Rng;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// Connects and is gone.
    WithoutAWord,
    /// Half a request.
    WithinTheRequest,
    /// A whole request whose answer it does not wait for.
    BeforeTheAnswer,
    /// A reset in the middle of what it says.
    WithinAFrame,
    /// A FIN behind what it said, without a goodbye.
    Closing,
    /// A reset.
    Resetting,
    /// A FIN behind what it said, and it still listens.
    HalfClosing,
    /// A goodbye whose answer it does not wait for.
    Hanging,
}

impl Way {
    pub fn draw(rng: &mut Rng) -> Self {
        use Way::*;
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

/// Goes before the server has answered; nobody sees whether it noticed.
pub async fn is_gone_at_once(stage: &Stage, way: Way, visit: &Visit) -> End {
    let mut rng = Rng::with_seed(visit.seed);
    let request = doorstep::request(visit.room, true, visit.compressed);
    let sent = match way {
        Way::WithoutAWord => 0,
        Way::WithinTheRequest => rng.usize(1..request.len()),
        _ => request.len(),
    };
    let Ok(mut socket) = TcpStream::connect(doorstep::address(stage, &mut rng)).await else {
        return End::NotLetIn;
    };
    let written = socket.write_all(&request.as_bytes()[..sent]).await;
    if rng.bool() {
        let _ = socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)); // a reset
    }
    written.map_or(End::NotLetIn, |()| End::Vanished)
}

/// Says something and goes.
pub async fn vanishes(client: &mut Client, way: Way) -> Result<End, End> {
    if client.rng.bool() {
        client.waits_for_greeting().await?;
    }
    (0..client.rng.u8(..4)).for_each(|_| client.says(100));
    match way {
        Way::HalfClosing => {
            client.line.half_closes();
            return Ok(client.ends_within(PATIENCE).await);
        }
        Way::WithinAFrame => client.sends_bytes(b"\x81\xfe\x01\0abcdefgh"),
        Way::Resetting => client.line.will_reset(),
        Way::Hanging => client.sends_bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
        _ => {}
    }
    Ok(End::Vanished)
}
