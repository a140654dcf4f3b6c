//! The rights of a request: the only place that decides what its sender may do.

use super::{api_keys::ApiKeys, origin::check_origin};
use crate::{
    config::EffectiveRoom,
    http::{AppState, refusal::Refusal},
    session::Rights,
};
use actix_web::HttpRequest;

/// The purpose of a request.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// To become a member of a room with these settings, by WebSocket.
    Join(&'a EffectiveRoom),
    /// To receive the messages of a room as an event stream.
    Listen,
    /// To publish in a room with these settings.
    Publish(&'a EffectiveRoom),
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
    let keys = &AppState::of(request).keys;
    let publish = match purpose {
        Purpose::Join(room) => {
            check_origin(request)?;
            room.anyone || has_key(keys, request)?
        }
        Purpose::Publish(room) => {
            check_origin(request)?;
            if !room.anyone {
                keys.check(request)?;
            }
            true
        }
        Purpose::Listen => {
            check_origin(request)?;
            false
        }
        Purpose::List => {
            keys.check(request)?;
            false
        }
        Purpose::Read => false,
    };
    Ok(Rights { publish })
}

/// Returns true if the request has a valid key, and false if it has none.
fn has_key(keys: &ApiKeys, request: &HttpRequest) -> Result<bool, Refusal> {
    match keys.check(request) {
        Ok(()) => Ok(true),
        Err(Refusal::KeyRequired) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}
