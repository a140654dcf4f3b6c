//! Publishing over HTTP.

use super::{
    AppState,
    access::rights::{Purpose, rights},
    refusal::Refusal,
    request_body::{self, BodyReader, RequestBody},
};
use crate::{
    backplane::{IdempotencyKey, NotPosted},
    clock::timeout,
    config::RoomName,
    hub::{GetCredit, Post},
    limits::{BODIES, Permit, PoolSizes, Reservation, Source, cost},
    policy::SessionPolicy,
    protocol::v1,
    wire::Payload,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// The most messages of a batch, inclusive.
const MAX_MESSAGES: usize = 256;

/// The largest batch, as a multiple of the largest message.
const MESSAGES_OF_A_BATCH: usize = 16;

/// Handles `POST /rooms/{room}/messages`: the body is the message.
///
/// # Errors
/// The [`Refusal`] of the request, of its body, or of the hub.
pub async fn message(
    request: HttpRequest,
    state: web::Data<AppState>,
    room: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let room = room.parse()?;
    let largest = check(&request, &state, &room)?;
    let RequestBody { bytes, reservation } = state.read(&request, payload, largest).await?;
    let payload = request_body::payload(&request, &bytes)?;
    drop(bytes);
    post(&request, &state, room, vec![payload], reservation).await
}

/// Several messages that become consecutive in their room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    messages: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    text: Option<String>,
    base64: Option<String>,
}

/// Handles `POST /rooms/{room}/batch`: the body is JSON, `{"messages": [{"text": "…"}, {"base64":
/// "…"}]}`.
///
/// # Errors
/// The [`Refusal`] of the request, of its body, or of the hub.
pub async fn batch(
    request: HttpRequest,
    state: web::Data<AppState>,
    room: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let room = room.parse()?;
    let largest = check(&request, &state, &room)?;
    let RequestBody { bytes, reservation } =
        state.read(&request, payload, state.largest_batch(largest)).await?;
    let Batch { messages } =
        serde_json::from_slice(&bytes).map_err(|error| Refusal::Json(error.to_string()))?;
    drop(bytes);
    if messages.is_empty() || messages.len() > MAX_MESSAGES {
        return Err(Refusal::Json(format!("a batch has 1 to {MAX_MESSAGES} messages")));
    }
    let payloads = messages.into_iter().map(|item| item.payload(largest));
    post(&request, &state, room, payloads.collect::<Result<_, _>>()?, reservation).await
}

impl Item {
    fn payload(self, most: usize) -> Result<Payload, Refusal> {
        let payload =
            v1::payload(self.text, self.base64).map_err(|error| Refusal::Json(error.to_string()))?;
        match payload.as_bytes().len() <= most {
            true => Ok(payload),
            false => Err(Refusal::TooLarge(most)),
        }
    }
}

/// Checks that the request may publish in the room; returns the length of the largest message there
/// in bytes.
fn check(request: &HttpRequest, state: &AppState, room: &RoomName) -> Result<usize, Refusal> {
    let policy = state.shared.policy.load().rooms.of(room);
    rights(request, Purpose::Publish(&policy))?;
    Ok(policy.max_message)
}

async fn post(
    request: &HttpRequest,
    state: &AppState,
    room: RoomName,
    payloads: Vec<Payload>,
    reservation: Option<Reservation>,
) -> Result<HttpResponse, Refusal> {
    let key = idempotency_key(request, &payloads)?;
    let bytes = payloads.iter().map(|payload| payload.as_bytes().len()).collect::<Vec<_>>();
    let source = state.source(request);
    let permit = state.permit(source, &room, &bytes).await?;
    drop(reservation); // the permit counts these bytes from now on
    state.shared.metrics.messages_received.inc_by(bytes.len() as u64);
    state.shared.metrics.bytes_received.inc_by(bytes.iter().sum::<usize>() as u64);
    let post = Post { room, payloads, key, source, permit, peer: request.peer_addr() };
    let posted = state.hub.send(post).await.map_err(|_| Refusal::Stopping)?.map_err(refusal_of)?;
    Ok(HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(posted))
}

fn refusal_of(reason: NotPosted) -> Refusal {
    match reason {
        NotPosted::TooManyRooms => Refusal::TooManyRooms,
        NotPosted::KeyReused => Refusal::RetryKeyReused,
        NotPosted::TooManyKeys => Refusal::RetryKeys,
        NotPosted::Unavailable => Refusal::Backplane,
        NotPosted::Stopped => Refusal::Stopping,
    }
}

/// Returns the `Idempotency-Key` of the request with a fingerprint of its messages, so that a
/// client can safely send it again.
fn idempotency_key(request: &HttpRequest, payloads: &[Payload]) -> Result<Option<IdempotencyKey>, Refusal> {
    let Some(key) = request.headers().get("Idempotency-Key") else { return Ok(None) };
    let is_good = (1..=128).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    let key = key.to_str().ok().filter(|_| is_good).ok_or(Refusal::IdempotencyKey)?;
    let mut fingerprint = DefaultHasher::new();
    for payload in payloads {
        matches!(payload, Payload::Text(_)).hash(&mut fingerprint);
        payload.as_bytes().hash(&mut fingerprint);
    }
    Ok(Some(IdempotencyKey { key: key.to_owned(), fingerprint: fingerprint.finish() }))
}

impl AppState {
    /// Reads the body. A slow sender holds memory for the bytes received so far, and never more
    /// than the share of its address.
    async fn read(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        most: usize,
    ) -> Result<RequestBody, Refusal> {
        let SessionPolicy { handshake_within, deadlines, .. } = self.shared.policy.load().session;
        let reader = BodyReader {
            pool: &self.shared.limits.bodies,
            source: self.source(request),
            most,
            within: handshake_within,
            patience: deadlines.stalled_write.min(handshake_within / 2), // leaves time for the refusal
        };
        reader.read(request, payload).await
    }

    /// Returns the length in bytes of the largest batch where a message has at most `largest`.
    fn largest_batch(&self, largest: usize) -> usize {
        let bytes = largest.saturating_mul(MESSAGES_OF_A_BATCH);
        let PoolSizes { in_flight, bodies, .. } = self.shared.limits.sizes;
        bytes.min(in_flight).min(bodies / BODIES)
    }

    /// Waits for the permit for messages of these `bytes`, in the room and in the server.
    async fn permit(&self, source: Source, room: &RoomName, bytes: &[usize]) -> Result<Permit, Refusal> {
        let flow = self.hub.send(GetCredit { room: room.clone() }).await.map_err(|_| Refusal::Stopping)?;
        let both = async {
            let credit = match flow {
                Some(flow) => Some(Arc::new(flow.acquire(source, bytes.iter().copied()).await)),
                None => None,
            };
            let server = self.shared.limits.in_flight.clone().acquire(source, self.permits(bytes)).await;
            Permit::new(server, credit)
        };
        let patience = self.shared.policy.load().session.deadlines.stalled_write;
        timeout(patience, both).await.map_err(|_| Refusal::Busy)
    }

    /// Returns the cost of messages of these `bytes` in flight; at most the whole limit.
    fn permits(&self, bytes: &[usize]) -> u32 {
        let all = cost(self.shared.limits.sizes.in_flight);
        bytes.iter().map(|bytes| cost(*bytes)).fold(0, u32::saturating_add).min(all)
    }
}
