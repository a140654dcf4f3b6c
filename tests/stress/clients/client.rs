//! One client in its room: what it says comes from the model.

use super::{compression::deflated, end::End, line::Line};
use crate::{
    model::{ClientId, Parting, RoomId, Utterance},
    process::append_frame,
    stage::Stage,
};
use bytes::Bytes;
use fastrand::Rng;
use std::{collections::VecDeque, ops::Range, rc::Rc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long the server may take for what it has to do at once; much, since the machine has others to serve.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    pub id: ClientId,
    pub room: RoomId,
    pub rng: Rng,
    pub stage: Rc<Stage>,
    pub line: Line,
    /// Whether it answers pings and goodbyes.
    pub answers: bool,
    pub compression: bool,
    /// Whether its masks are other than zero, which costs time.
    pub is_masked: bool,
    pub(super) is_greeted: bool,
    /// Pings that were not answered yet.
    pub(super) pings: VecDeque<Bytes>,
    pub(super) said_goodbye: Option<u16>,
    pub(super) heard_goodbye: Option<u16>,
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
            said_goodbye: None,
            heard_goodbye: None,
            has_left: false,
        }
    }

    /// Says something of about `length` bytes, unless it is time to be silent.
    pub fn says(&mut self, length: usize) {
        if self.may_speak() {
            let utterance = self.utterance(length);
            let (first, payload) = self.encoded(&utterance);
            self.sends_frame(first, &payload);
        }
    }

    /// The same in pieces, with a ping behind each.
    pub fn says_in_pieces(&mut self, length: usize, pieces: usize) {
        if !self.may_speak() {
            return;
        }
        let utterance = self.utterance(length);
        let (first, payload) = self.encoded(&utterance);
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
        self.listens_while(|client| !client.is_greeted).await
    }

    /// Listens until everything that was said in its room has been heard by somebody.
    pub async fn listens_until_all_is_heard(&mut self) -> Result<(), End> {
        self.listens_while(|client| client.stage.unheard_bytes(client.room) > 0).await
    }

    pub async fn listens_for(&mut self, time: Duration) -> Result<(), End> {
        timeout(time, self.listens()).await.map_or(Ok(()), Err)
    }

    /// Listens for a random number of milliseconds.
    pub async fn listens_awhile(&mut self, milliseconds: Range<u64>) -> Result<(), End> {
        let time = Duration::from_millis(self.rng.u64(milliseconds));
        self.listens_for(time).await
    }

    pub async fn listens_until(&mut self, event: &CancellationToken) -> Result<(), End> {
        tokio::select! {
            end = self.listens() => Err(end),
            () = event.cancelled() => Ok(()),
        }
    }

    /// Listens until the connection ends, within `patience`.
    pub async fn ends_within(&mut self, patience: Duration) -> End {
        timeout(patience, self.listens()).await.unwrap_or(End::Never)
    }

    /// Says goodbye and waits for the answer.
    pub async fn closes(&mut self) -> End {
        if self.may_close() {
            self.said_goodbye = Some(1000);
            self.sends_frame(0x88, &1000_u16.to_be_bytes());
        }
        self.ends_within(PATIENCE).await
    }

    /// Reads once, at most so many bytes, and hears what is whole.
    pub fn reads(&mut self, most: usize) -> Result<(), End> {
        let read = self.line.reads(most);
        self.took_in(read)
    }

    /// Tells the model how it ended.
    pub fn leaves(&mut self, parting: Parting) {
        if !std::mem::replace(&mut self.has_left, true) {
            let verdict = self.stage.model().leaves(self.id, self.room, parting);
            self.stage.judge(verdict);
        }
    }

    async fn listens(&mut self) -> End {
        loop {
            let moved = self.line.moves().await;
            if let Err(end) = self.took_in(moved) {
                return end;
            }
        }
    }

    async fn listens_while(&mut self, goes_on: impl Fn(&Self) -> bool) -> Result<(), End> {
        let listens = async {
            while goes_on(self) {
                let moved = self.line.moves().await;
                self.took_in(moved)?;
            }
            Ok(())
        };
        timeout(PATIENCE, listens).await.unwrap_or(Err(End::Never))
    }

    /// Hears what has come; the end when nothing will come any more.
    fn took_in(&mut self, moved: Result<bool, End>) -> Result<(), End> {
        self.hears_frames();
        match moved {
            Ok(true) => Ok(()),
            Err(end) if self.heard_goodbye.is_none() => Err(end),
            _ => Err(self.end()),
        }
    }

    fn pings(&mut self) {
        let length = self.rng.usize(..=125);
        let payload: Bytes = (0..length).map(|_| self.rng.u8(..)).collect();
        self.sends_frame(0x89, &payload);
        self.pings.push_back(payload);
    }

    fn utterance(&mut self, length: usize) -> Utterance {
        let binary = self.rng.u8(..4) == 0;
        self.stage.model().says(self.id, self.room, length, binary)
    }

    /// The first byte of a frame and its payload, compressed now and then.
    fn encoded(&mut self, utterance: &Utterance) -> (u8, Bytes) {
        let first = if utterance.binary { 0x82 } else { 0x81 };
        match self.compression && self.rng.bool() {
            true => (first | 0x40, deflated(&utterance.payload).into()),
            false => (first, utterance.payload.clone()),
        }
    }

    fn may_speak(&self) -> bool {
        !self.stage.is_silent() && self.may_close()
    }

    fn may_close(&self) -> bool {
        self.said_goodbye.is_none() && self.heard_goodbye.is_none()
    }

    fn end(&self) -> End {
        match (self.heard_goodbye, self.said_goodbye) {
            (None, _) => End::Lost,
            (heard, said) if heard == said => End::Answered,
            (Some(code), _) => End::Code(code),
        }
    }
}

/// Whoever did not say how it left left suddenly.
impl Drop for Client {
    fn drop(&mut self) {
        self.leaves(Parting::Sudden);
    }
}
