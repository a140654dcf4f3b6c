//! One client in its room; the model makes its messages.

use super::{compression::deflated, end::End, line::Line};
use crate::{
    model::{ClientId, Departure, Message, RoomId},
    process::append_frame,
    stage::Stage,
};
use bytes::Bytes;
use fastrand::Rng;
use std::{collections::VecDeque, ops::Range, rc::Rc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The deadline for everything that the server does at once; long, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    pub id: ClientId,
    pub room: RoomId,
    pub rng: Rng,
    pub stage: Rc<Stage>,
    pub line: Line,
    /// True if it answers pings and close frames.
    pub answers: bool,
    pub compression: bool,
    /// True if its masking keys are not zero, which costs time.
    pub is_masked: bool,
    pub(super) is_greeted: bool,
    /// Pings that were not answered yet.
    pub(super) pings: VecDeque<Bytes>,
    pub(super) sent_close: Option<u16>,
    pub(super) received_close: Option<u16>,
    has_left: bool,
}

impl Client {
    /// Behind an opening handshake that went well.
    pub fn new(stage: Rc<Stage>, id: ClientId, room: RoomId, rng: Rng, line: Line) -> Self {
        Self {
            id,
            room,
            rng,
            stage,
            line,
            answers: true,
            compression: false,
            is_masked: true,
            is_greeted: false,
            pings: VecDeque::new(),
            sent_close: None,
            received_close: None,
            has_left: false,
        }
    }

    /// Publishes about `length` bytes, unless it is time to be silent.
    pub fn publishes(&mut self, length: usize) {
        if self.may_publish() {
            let message = self.message(length);
            let (first, payload) = self.encoded(&message);
            self.sends_frame(first, &payload);
        }
    }

    /// The same in pieces, with a ping after each.
    pub fn publishes_in_fragments(&mut self, length: usize, pieces: usize) {
        if !self.may_publish() {
            return;
        }
        let message = self.message(length);
        let (first, payload) = self.encoded(&message);
        let size = payload.len().div_ceil(pieces).max(1);
        let last = payload.chunks(size).count().max(1) - 1;
        for (number, piece) in payload.chunks(size).enumerate() {
            let opening = if number == 0 { first & 0x7f } else { 0 };
            self.sends_frame(if number == last { opening | 0x80 } else { opening }, piece);
            self.pings();
        }
    }

    pub fn sends_frame(&mut self, first: u8, payload: &[u8]) {
        let mask = if self.is_masked { self.rng.u32(..).to_be_bytes() } else { [0; 4] };
        self.line.sends(|out| append_frame(out, first, mask, payload));
    }

    pub fn sends_bytes(&mut self, bytes: &[u8]) {
        self.line.sends(|out| out.extend_from_slice(bytes));
    }

    pub async fn waits_for_greeting(&mut self) -> Result<(), End> {
        self.reads_while(|client| !client.is_greeted).await
    }

    /// Reads until every message of its room has been received by a client.
    pub async fn reads_until_all_is_delivered(&mut self) -> Result<(), End> {
        self.reads_while(|client| client.stage.undelivered_bytes(client.room) > 0).await
    }

    pub async fn reads_for(&mut self, time: Duration) -> Result<(), End> {
        timeout(time, self.reads_on()).await.map_or(Ok(()), Err)
    }

    /// Reads for a random number of milliseconds.
    pub async fn reads_for_a_while(&mut self, milliseconds: Range<u64>) -> Result<(), End> {
        let time = Duration::from_millis(self.rng.u64(milliseconds));
        self.reads_for(time).await
    }

    pub async fn reads_until(&mut self, event: &CancellationToken) -> Result<(), End> {
        tokio::select! {
            end = self.reads_on() => Err(end),
            () = event.cancelled() => Ok(()),
        }
    }

    /// Reads until the connection ends, within `patience`.
    pub async fn ends_within(&mut self, patience: Duration) -> End {
        timeout(patience, self.reads_on()).await.unwrap_or(End::Never)
    }

    /// Sends a close frame and waits for the answer.
    pub async fn closes(&mut self) -> End {
        if self.may_close() {
            self.sent_close = Some(1000);
            self.sends_frame(0x88, &1000_u16.to_be_bytes());
        }
        self.ends_within(PATIENCE).await
    }

    /// Reads once, at most so many bytes, and receives what is whole.
    pub fn reads(&mut self, most: usize) -> Result<(), End> {
        let read = self.line.reads(most);
        self.processed(read)
    }

    /// Reports the departure to the model.
    pub fn leaves(&mut self, departure: Departure) {
        if !std::mem::replace(&mut self.has_left, true) {
            let verdict = self.stage.model().leaves(self.id, self.room, departure);
            self.stage.judge(verdict);
        }
    }

    async fn reads_on(&mut self) -> End {
        loop {
            let moved = self.line.moves().await;
            if let Err(end) = self.processed(moved) {
                return end;
            }
        }
    }

    async fn reads_while(&mut self, continues: impl Fn(&Self) -> bool) -> Result<(), End> {
        let reading = async {
            while continues(self) {
                let moved = self.line.moves().await;
                self.processed(moved)?;
            }
            Ok(())
        };
        timeout(PATIENCE, reading).await.unwrap_or(Err(End::Never))
    }

    /// Processes the received frames; the end of the connection is an error.
    fn processed(&mut self, moved: Result<bool, End>) -> Result<(), End> {
        self.receives_frames();
        match moved {
            Ok(true) => Ok(()),
            Err(end) if self.received_close.is_none() => Err(end),
            _ => Err(self.end()),
        }
    }

    fn pings(&mut self) {
        let length = self.rng.usize(..=125);
        let payload: Bytes = (0..length).map(|_| self.rng.u8(..)).collect();
        self.sends_frame(0x89, &payload);
        self.pings.push_back(payload);
    }

    fn message(&mut self, length: usize) -> Message {
        let binary = self.rng.u8(..4) == 0;
        self.stage.model().publishes(self.id, self.room, length, binary)
    }

    /// The first byte of a frame and its payload, compressed now and then.
    fn encoded(&mut self, message: &Message) -> (u8, Bytes) {
        let first = if message.binary { 0x82 } else { 0x81 };
        match self.compression && self.rng.bool() {
            true => (first | 0x40, deflated(&message.payload).into()),
            false => (first, message.payload.clone()),
        }
    }

    fn may_publish(&self) -> bool {
        !self.stage.is_silent() && self.may_close()
    }

    fn may_close(&self) -> bool {
        self.sent_close.is_none() && self.received_close.is_none()
    }

    fn end(&self) -> End {
        match (self.received_close, self.sent_close) {
            (None, _) => End::Lost,
            (received, sent) if received == sent => End::Answered,
            (Some(code), _) => End::Code(code),
        }
    }
}

/// A client without a recorded departure departed suddenly.
impl Drop for Client {
    fn drop(&mut self) {
        self.leaves(Departure::Sudden);
    }
}
