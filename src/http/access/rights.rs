//! The rights of a request: the only place that decides what its sender may do.

use super::origin::check_origin;
use crate::{
    http::{AppState, refusal::Refusal},
    room::RoomPolicy,
    session::Rights,
};
use actix_web::HttpRequest;

/// The purpose of a request.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// To become a member of a room with this policy, by WebSocket.
    Join(&'a RoomPolicy),
    /// To receive the messages of a room as an event stream.
    Listen,
    /// To publish in a room with this policy.
    Publish(&'a RoomPolicy),
    /// To read the state or the history of a room.
    Read,
    /// To list all rooms.
    List,
}

/// Returns the rights of the sender of `request`, if they suffice for its purpose.
///
/// A page of an origin that may not connect has none. A member needs a key only to publish, so one
/// without a key joins nevertheless. Reading needs no check: a browser shows the response to a page
/// only with the headers of CORS.
///
/// # Errors
/// [`Refusal::Origin`]; [`Refusal::KeyRequired`] or [`Refusal::Key`] where a key is needed.
pub fn rights(request: &HttpRequest, purpose: Purpose<'_>) -> Result<Rights, Refusal> {
    let state = AppState::of(request);
    let publish = match purpose {
        Purpose::Join(room) => {
            check_origin(request)?;
            room.anyone || has_key(state, request)?
        }
        Purpose::Publish(room) => {
            check_origin(request)?;
            if !room.anyone {
                state.check_key(request)?;
            }
            true
        }
        Purpose::Listen => {
            check_origin(request)?;
            false
        }
        Purpose::List => {
            state.check_key(request)?;
            false
        }
        Purpose::Read => false,
    };
    Ok(Rights { publish })
}

/// Returns true if the request has a valid key, and false if it has none.
fn has_key(state: &AppState, request: &HttpRequest) -> Result<bool, Refusal> {
    match state.check_key(request) {
        Ok(()) => Ok(true),
        Err(Refusal::KeyRequired) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}
