//! The clients: those who behave, and all the others.

mod client; // one of them, in its room
mod hearing; // what it hears
mod line; // its connection
mod compression; // permessage-deflate
mod end; // what a client sees last
mod frames; // what the server sends
mod kind; // all kinds, and what each may see

mod doorstep; // coming in, or not
mod polite; // who comes, talks, hears and goes
mod flooders; // who speaks as fast as it can
mod slow; // who reads too little, or never answers
mod breakers; // who breaks the rules of the wire
mod vanishers; // who goes without a goodbye

pub use client::{Client, PATIENCE};
pub use end::End;
pub use kind::Kind;

use crate::{
    model::{Entrance, Parting},
    plan::Visit,
    stage::Stage,
};
use std::rc::Rc;

/// Plays the visit of one client from its coming to its end, and has the end judged.
pub async fn visits(stage: Rc<Stage>, visit: Visit) {
    let end = match visit.kind {
        Kind::Caller(request) => doorstep::is_refused(&stage, request, visit.seed).await,
        Kind::Loris { dribbles } => doorstep::dawdles(&stage, dribbles, visit.seed).await,
        Kind::Hopper => polite::hops(&stage, &visit).await,
        Kind::Vanisher(way) if way.is_before_the_answer() => {
            vanishers::is_gone_at_once(&stage, way, &visit).await
        }
        _ => comes_in(&stage, &visit).await,
    };
    stage.sees_end(&visit, end);
}

async fn comes_in(stage: &Rc<Stage>, visit: &Visit) -> End {
    let entrance = Entrance { echo: visit.kind.echo() };
    match Client::joins(stage, visit, visit.client, visit.room, entrance).await {
        Err(end) => end,
        Ok(mut client) => {
            let end = acts(&mut client, visit.kind).await.unwrap_or_else(|end| end);
            client.leaves(parting(visit.kind, end));
            end
        }
    }
}

/// What the client does once it is connected; an error is an end that came before it was done.
async fn acts(client: &mut Client, kind: Kind) -> Result<End, End> {
    match kind {
        Kind::Listener => polite::listens(client).await,
        Kind::Talker { .. } => polite::talks(client).await,
        Kind::Passenger { .. } => polite::passes_by(client).await,
        Kind::Straggler => polite::straggles(client).await,
        Kind::Fragmenter => polite::speaks_in_pieces(client).await,
        Kind::Flooder { .. } => flooders::floods(client).await,
        Kind::SlowReader => slow::reads_slowly(client).await,
        Kind::Deaf => slow::hears_nothing(client).await,
        Kind::Silent => slow::says_nothing(client).await,
        Kind::Breaker(offence) => breakers::offends(client, offence).await,
        Kind::Vanisher(way) => vanishers::vanishes(client, way).await,
        Kind::Hopper | Kind::Caller(_) | Kind::Loris { .. } => unreachable!("they do not just come in"),
    }
}

fn parting(kind: Kind, end: End) -> Parting {
    match (kind, end) {
        (_, End::Answered) | (Kind::Vanisher(vanishers::Way::HalfClosing), End::Lost) => Parting::Orderly,
        (_, End::Code(1012)) => Parting::Dismissed,
        _ => Parting::Sudden,
    }
}
