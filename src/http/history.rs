//! The history of a room as JSON, encoded piece by piece as the client reads.
//!
//! A slow reader keeps the messages that it has not received yet, which the room may drop in the
//! meantime, and one piece of JSON. Both are charged to the share of its address. Key:
//! `limits.answer_bytes`. Metrics: `worldcast_answer_bytes` and `worldcast_answers_revoked_total`.

use super::{AppState, refusal::Refusal};
use crate::{
    config::RoomName,
    history::{HistoryRequest, HistorySlice, Message, Position},
    hub::Read,
    limits::{MAX_PIECE, Reservation, Revoke, Source},
    metrics::Metrics,
    protocol::v1::MessageJson,
    wire::Payload,
};
use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    http::header,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::Serialize;
use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context as Task, Poll},
    vec,
};

/// A piece of JSON ends when it has so many bytes, or slightly more.
const PIECE: usize = 32 << 10;

/// Bytes of a payload that are encoded at a time: a multiple of 3 for base64, and at six bytes for
/// each (`\u0000`) still less than a piece.
const SLICE: usize = 4095;

/// The reciprocal of the part of `session.stalled_write` for which an answer waits for its share,
/// and after which it loses its share to a waiting address that has none.
const PATIENCE: u32 = 4;

/// The parameters of a request for history.
pub struct HistoryQuery {
    /// The room.
    pub room: RoomName,
    /// The requested part of its history.
    pub history: HistoryRequest,
    /// The source to whose share the answer is charged.
    pub source: Source,
    /// The response ends after its head (RFC 9110 §9.3.2).
    pub is_head: bool,
}

/// The answer without its messages.
#[derive(Serialize)]
struct Head<'a> {
    room: &'a RoomName,
    /// The position after the last message; absent for a room that does not exist.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    /// `true` if no message after the requested position is missing; absent without such a
    /// position.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    messages: [(); 0],
}

impl AppState {
    /// Returns the answer to `query`: with a length if it is one piece, in chunks otherwise.
    pub(super) async fn history(&self, query: HistoryQuery) -> Result<HttpResponse, Refusal> {
        let HistoryQuery { ref room, history, source, is_head } = query;
        let mut slice = self.slice(&query).await?;
        let mut reservation = None;
        if !is_head {
            let cost = cost(slice.as_ref());
            reservation = self.shared.limits.answers.try_reserve(source, cost);
            if reservation.is_none() {
                drop(slice); // a waiting request holds no messages
                reservation = Some(self.waits_for(source, cost).await?);
                slice = self.slice(&query).await?;
            }
            self.let_grow(&mut reservation, slice.as_ref()).await?;
        }
        let head = Head {
            room,
            position: slice.as_ref().map(|slice| slice.until),
            recovered: slice.as_ref().map_or(history.since.map(|_| false), |slice| slice.complete),
            messages: [],
        };
        let json = Json::new(&head, slice.map(|slice| slice.messages).unwrap_or_default());
        let body = HistoryBody::new(json, reservation, is_head, &self.shared.metrics);
        Ok(HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("application/json")
            .body(body))
    }

    async fn slice(
        &self,
        HistoryQuery { room, history, .. }: &HistoryQuery,
    ) -> Result<Option<HistorySlice>, Refusal> {
        let read = Read { room: room.clone(), history: *history };
        self.hub.send(read).await.map_err(|_| Refusal::Stopping)?.map_err(Refusal::from)
    }

    async fn waits_for(&self, source: Source, cost: usize) -> Result<Reservation, Refusal> {
        let patience = self.shared.policy.load().session.deadlines.stalled_write / PATIENCE;
        self.shared.limits.answers.reserve(source, cost, patience).await.ok_or(Refusal::Busy)
    }

    /// Enlarges the reservation for messages that were published while it was waited for.
    async fn let_grow(
        &self,
        reservation: &mut Option<Reservation>,
        slice: Option<&HistorySlice>,
    ) -> Result<(), Refusal> {
        let Some(reservation) = reservation else { return Ok(()) };
        let more = cost(slice).saturating_sub(reservation.bytes());
        match more == 0 || reservation.grow(more, Default::default()).await {
            true => Ok(()),
            false => Err(Refusal::Busy),
        }
    }
}

/// Returns the bytes that an answer holds at first: all messages, and a piece of JSON, or all of
/// the JSON if that is less.
fn cost(slice: Option<&HistorySlice>) -> usize {
    let messages: usize = slice.iter().flat_map(|slice| &slice.messages).map(|message| message.cost()).sum();
    messages + MAX_PIECE.min(messages * 6 + 512)
}

/// The JSON of an answer, encoded on demand.
struct Json {
    /// Encoded bytes that are not passed on yet.
    begun: Vec<u8>,
    messages: vec::IntoIter<Arc<Message>>,
    /// The message that is being encoded, and the number of its bytes that are.
    current: Option<(Arc<Message>, usize)>,
    /// No message was encoded yet, so the next one has no comma before it.
    is_first: bool,
    /// The end of the document was encoded.
    is_over: bool,
    /// The cost of the messages encoded since [`HistoryBody`] has released any.
    written: usize,
}

impl Json {
    fn new(head: &Head, messages: Vec<Arc<Message>>) -> Self {
        let mut begun = serde_json::to_vec(head).expect("text, numbers and lists are JSON");
        begun.truncate(begun.len() - b"]}".len());
        let messages = messages.into_iter();
        Self { begun, messages, current: None, is_first: true, is_over: false, written: 0 }
    }

    /// Returns the next bytes, at most [`MAX_PIECE`]; `None` at the end.
    fn next(&mut self) -> Option<Bytes> {
        let mut piece = mem::take(&mut self.begun);
        while !self.is_over && piece.len() < PIECE {
            self.write_some(&mut piece);
        }
        (!piece.is_empty()).then(|| piece.into())
    }

    fn write_some(&mut self, piece: &mut Vec<u8>) {
        match self.current.take() {
            Some((message, written)) => self.write_slice(piece, message, written),
            None => match self.messages.next() {
                Some(message) => {
                    if !mem::replace(&mut self.is_first, false) {
                        piece.push(b',');
                    }
                    write_json(piece, &MessageJson::without_content(&message));
                    piece.truncate(piece.len() - b"\"}".len());
                    self.current = Some((message, 0));
                }
                None => {
                    piece.extend_from_slice(b"]}");
                    self.is_over = true;
                }
            },
        }
    }

    /// Encodes the next slice of a message, and the closing brace after the last.
    fn write_slice(&mut self, piece: &mut Vec<u8>, message: Arc<Message>, from: usize) {
        let length = message.payload.as_bytes().len();
        let mut until = length.min(from + SLICE);
        match &message.payload {
            Payload::Text(text) => {
                until = text.floor_char_boundary(until);
                write_text(piece, &text[from..until]);
            }
            Payload::Binary(bytes) => {
                piece.extend_from_slice(BASE64.encode(&bytes[from..until]).as_bytes());
            }
        }
        if until < length {
            self.current = Some((message, until));
        } else {
            piece.extend_from_slice(b"\"}");
            self.written += message.cost();
        }
    }
}

fn write_json(piece: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(piece, value).expect("memory takes text and numbers");
}

/// Appends text as JSON, without its quotes.
fn write_text(piece: &mut Vec<u8>, text: &str) {
    let at = piece.len();
    write_json(piece, &text);
    piece.remove(at);
    piece.pop();
}

/// The body of an answer.
struct HistoryBody {
    answer: Arc<Revocable>,
    /// The first piece, encoded early to learn if it is the only one.
    first: Option<Bytes>,
    size: BodySize,
}

/// An answer, until it is revoked in favor of others.
struct Revocable {
    answer: Mutex<Option<Answer>>,
    metrics: Arc<Metrics>,
}

/// The messages that are not sent yet, and the bytes that they are charged for.
struct Answer {
    json: Json,
    reservation: Option<Reservation>,
}

/// The answer was revoked: its client read it too slowly while others waited.
#[derive(Debug, thiserror::Error)]
#[error("the client read a history too slowly while others waited")]
struct Revoked;

impl Revocable {
    fn lock(&self) -> MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revoke for Revocable {
    fn revoke(&self) {
        if self.lock().take().is_some() {
            self.metrics.answers_revoked.inc();
        }
    }
}

impl fmt::Debug for Revocable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable").finish_non_exhaustive()
    }
}

impl HistoryBody {
    fn new(mut json: Json, reservation: Option<Reservation>, is_head: bool, metrics: &Arc<Metrics>) -> Self {
        let first = json.next();
        let size = match &first {
            Some(first) if json.is_over => BodySize::Sized(first.len() as u64),
            _ => BodySize::Stream,
        };
        if is_head && !json.is_over {
            json = Json { is_over: true, begun: Vec::new(), ..json };
        }
        let answer = Mutex::new(Some(Answer { json, reservation }));
        let answer = Arc::new(Revocable { answer, metrics: metrics.clone() });
        let holder: Weak<dyn Revoke> = Arc::downgrade(&answer) as Weak<dyn Revoke>;
        if let Some(Answer { reservation: Some(reservation), .. }) = &*answer.lock() {
            reservation.may_be_revoked_from(holder);
        }
        Self { answer, first, size }
    }
}

impl MessageBody for HistoryBody {
    type Error = Revoked;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Result<Bytes, Revoked>>> {
        let body = &mut *self;
        let mut answer = body.answer.lock();
        let Some(Answer { json, reservation }) = &mut *answer else {
            return Poll::Ready(Some(Err(Revoked)));
        };
        let piece = body.first.take().or_else(|| json.next());
        let written = mem::take(&mut json.written);
        if let Some(reservation) = reservation
            && written > 0
        {
            reservation.shrink(written); // the messages that this piece completes
        }
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Audience, History, HistoryLimits, NewMessage};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::time::{Duration, Instant};

    const LIMITS: HistoryLimits =
        HistoryLimits { messages: 100, age: Duration::from_secs(60), bytes: usize::MAX };

    fn history(payloads: Vec<Payload>) -> History {
        let mut history = History::new(LIMITS);
        for payload in payloads {
            let message = NewMessage { payload, who: None, audience: Audience::Everyone };
            history.append(message, Instant::now());
        }
        history
    }

    /// Returns all pieces of the answer about everything that `history` keeps.
    fn pieces(history: &History) -> Vec<Bytes> {
        let room = "news".parse().unwrap();
        let position = Some(history.position());
        let head = Head { room: &room, position, recovered: Some(true), messages: [] };
        let mut json = Json::new(&head, history.newest(usize::MAX));
        let pieces = std::iter::from_fn(|| json.next()).collect();
        assert_eq!(json.written, history.bytes(), "every message is given back once");
        pieces
    }

    fn payload() -> impl Strategy<Value = Payload> {
        let text = prop_oneof![
            any::<String>(),
            (0..40_000_usize).prop_map(|length| "\u{1}".repeat(length)),
            (0..10_000_usize).prop_map(|length| "é😀\"\\".repeat(length)),
        ];
        prop_oneof![
            text.prop_map(|text| Payload::Text(text.as_str().into())),
            prop::collection::vec(any::<u8>(), 0..20_000).prop_map(|bytes| Payload::Binary(bytes.into())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_pieces_are_the_answer_and_none_is_large(payloads in prop::collection::vec(payload(), 0..12)) {
            let history = history(payloads);
            let pieces = pieces(&history);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= MAX_PIECE));
            let messages = history.newest(usize::MAX);
            let messages: Vec<_> = messages.iter().map(|message| serde_json::to_string(&MessageJson::of(message)).unwrap()).collect();
            let position = history.position();
            let whole = format!(
                r#"{{"room":"news","epoch":"{}","offset":{},"recovered":true,"messages":[{}]}}"#,
                position.epoch, position.offset, messages.join(",")
            );
            prop_assert_eq!(pieces.concat(), whole.into_bytes());
        }
    }

    #[test]
    fn a_room_without_messages_has_an_answer_too() {
        let json: Value = serde_json::from_slice(&pieces(&history(vec![])).concat()).unwrap();
        assert_eq!(json["messages"], json!([]));
    }
}
