//! The clients: orderly ones, and all others.

mod client; // one client in its room
mod receiving; // received frames
mod line; // its connection
mod compression; // permessage-deflate
mod end; // the end of a connection
mod frames; // frames from the server
mod kind; // all kinds, and the expected ends

mod handshakes; // admitted, refused, or never complete
mod orderly; // clients that follow every rule
mod flooders; // publishers as fast as the socket accepts
mod slow; // slow readers, and clients that never answer
mod violations; // broken rules of the protocol
mod disconnects; // ends without a close frame

pub use client::{Client, PATIENCE};
pub use end::End;
pub use kind::Kind;

use crate::{
    model::{ClientId, Departure, SubscribeOptions},
    plan::Visit,
    stage::Stage,
};
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;

/// Plays the visit of one client, and judges its end.
pub async fn visits(stage: Rc<Stage>, visit: Visit) {
    let end = match visit.kind {
        Kind::Refused(request) => handshakes::is_refused(&stage, request, visit.seed).await,
        Kind::SlowHead { dribbles } => handshakes::sends_slowly(&stage, dribbles, visit.seed).await,
        Kind::Hopper => orderly::hops(&stage, &visit).await,
        Kind::Disconnecting(way) if way.is_before_the_answer() => {
            disconnects::disconnects_at_once(&stage, way, &visit).await
        }
        _ => is_admitted(&stage, &visit).await,
    };
    stage.sees_end(&visit, end);
}

/// Comes back after every end of its connection, until all clients leave.
pub async fn stays(stage: Rc<Stage>, visit: Visit) {
    for connection in 0..ClientId::PER_VISIT {
        let visit = Visit { client: ClientId(visit.client.0 + connection), ..visit.clone() };
        let options = SubscribeOptions { echo: visit.kind.echo() };
        let end = match Client::joins(&stage, &visit, visit.client, visit.room, options).await {
            Err(end) => end,
            Ok(mut client) => {
                let end = acts(&mut client, visit.kind).await.unwrap_or_else(|end| end);
                let leaves_last = stage.leave.is_cancelled() && end == End::Answered;
                // A node that took its messages may have been killed before Redis had them.
                client.leaves(if leaves_last { Departure::Orderly } else { Departure::Sudden });
                end
            }
        };
        stage.sees_end(&visit, end);
        if stage.silence.is_cancelled() {
            return;
        }
        sleep(Duration::from_millis(100 + visit.seed % 300)).await;
    }
}

async fn is_admitted(stage: &Rc<Stage>, visit: &Visit) -> End {
    let options = SubscribeOptions { echo: visit.kind.echo() };
    match Client::joins(stage, visit, visit.client, visit.room, options).await {
        Err(end) => end,
        Ok(mut client) => {
            let end = acts(&mut client, visit.kind).await.unwrap_or_else(|end| end);
            client.leaves(departure(visit.kind, end));
            end
        }
    }
}

/// Plays a connected client; an error is an end before it was done.
async fn acts(client: &mut Client, kind: Kind) -> Result<End, End> {
    match kind {
        Kind::Subscriber => orderly::reads_on(client).await,
        Kind::Publisher { .. } => orderly::publishes_now_and_then(client).await,
        Kind::Visitor { .. } => orderly::visits_shortly(client).await,
        Kind::Straggler => orderly::straggles(client).await,
        Kind::Fragmenter => orderly::publishes_in_fragments(client).await,
        Kind::Flooder { .. } => flooders::floods(client).await,
        Kind::SlowReader => slow::reads_slowly(client).await,
        Kind::NotReading => slow::reads_nothing(client).await,
        Kind::Silent => slow::sends_nothing(client).await,
        Kind::Violating(violation) => violations::violates(client, violation).await,
        Kind::Disconnecting(way) => disconnects::disconnects(client, way).await,
        Kind::Hopper | Kind::Refused(_) | Kind::SlowHead { .. } => unreachable!("they do not just come in"),
    }
}

fn departure(kind: Kind, end: End) -> Departure {
    match (kind, end) {
        (_, End::Answered) | (Kind::Disconnecting(disconnects::Disconnect::HalfClosing), End::Lost) => {
            Departure::Orderly
        }
        (_, End::Code(1012)) => Departure::Closed,
        _ => Departure::Sudden,
    }
}
