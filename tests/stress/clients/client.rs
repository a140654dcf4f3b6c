//! One client in its room: whatever it hears goes to the model, whatever it says comes from there.

use super::{
    compression::{deflated, inflated},
    end::End,
    frames::{Frame, Frames, Opcode},
};
use crate::{
    model::{Breach, ClientId, Parting, Promise, RoomId, Utterance},
    process::append_frame,
    settings::MAX_MESSAGE,
    stage::Stage,
};
use bytes::{BufMut, Bytes};
use fastrand::Rng;
use std::{collections::VecDeque, io, net::Shutdown, rc::Rc, time::Duration};
use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// How long the server may take for what it has to do at once; much, since the machine has others to serve.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    pub id: ClientId,
    pub room: RoomId,
    pub rng: Rng,
    pub stage: Rc<Stage>,
    /// Whether it answers pings and goodbyes.
    pub answers: bool,
    pub compression: bool,
    /// Whether its masks are other than zero, which costs time.
    pub is_masked: bool,
    socket: TcpStream,
    frames: Frames,
    outgoing: Vec<u8>,
    /// How much of `outgoing` the kernel has taken.
    sent: usize,
    pings: VecDeque<Bytes>,
    is_greeted: bool,
    said_goodbye: Option<u16>,
    heard_goodbye: Option<u16>,
    has_left: bool,
}

impl Client {
    /// Behind an opening handshake that went well.
    pub fn new(
        stage: Rc<Stage>,
        id: ClientId,
        room: RoomId,
        rng: Rng,
        socket: TcpStream,
        frames: Frames,
    ) -> Self {
        Self {
            id,
            room,
            rng,
            stage,
            answers: true,
            compression: false,
            is_masked: true,
            socket,
            frames,
            outgoing: Vec::new(),
            sent: 0,
            pings: VecDeque::new(),
            is_greeted: false,
            said_goodbye: None,
            heard_goodbye: None,
            has_left: false,
        }
    }

    /// Says something of about `length` bytes, unless goodbye was said.
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

    pub fn pings(&mut self) {
        let length = self.rng.usize(..=125);
        let payload: Bytes = (0..length).map(|_| self.rng.u8(..)).collect();
        self.sends_frame(0x89, &payload);
        self.pings.push_back(payload);
    }

    pub fn sends_frame(&mut self, first: u8, payload: &[u8]) {
        let mask = if self.is_masked { self.rng.u32(..).to_be_bytes() } else { [0; 4] };
        append_frame(&mut self.outgoing, first, mask, payload);
        self.flush();
    }

    pub fn sends_bytes(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
        self.flush();
    }

    /// How much of what it said the kernel has not taken.
    pub fn unsent(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    pub async fn is_greeted(&mut self) -> Result<(), End> {
        let greeting = async {
            while !self.is_greeted {
                self.drives().await?;
            }
            Ok(())
        };
        timeout(PATIENCE, greeting).await.unwrap_or(Err(End::Never))
    }

    pub async fn listens_for(&mut self, time: Duration) -> Result<(), End> {
        let until = Instant::now() + time;
        timeout_at(until, self.listens()).await.map_or(Ok(()), Err)
    }

    /// Listens for a random number of milliseconds.
    pub async fn listens_awhile(&mut self, milliseconds: std::ops::Range<u64>) -> Result<(), End> {
        let time = Duration::from_millis(self.rng.u64(milliseconds));
        self.listens_for(time).await
    }

    pub async fn listens_until(&mut self, event: &CancellationToken) -> Result<(), End> {
        tokio::select! {
            end = self.listens() => Err(end),
            () = event.cancelled() => Ok(()),
        }
    }

    /// Listens until everything that was said in its room has been heard by somebody.
    pub async fn listens_until_all_is_heard(&mut self) -> Result<(), End> {
        let heard = async {
            while self.stage.unheard_bytes(self.room) > 0 {
                self.drives().await?;
            }
            Ok(())
        };
        timeout(PATIENCE, heard).await.unwrap_or(Err(End::Never))
    }

    /// Listens until the connection ends, within `patience`.
    pub async fn ends_within(&mut self, patience: Duration) -> End {
        timeout(patience, self.listens()).await.unwrap_or(End::Never)
    }

    /// Says goodbye and waits for the answer.
    pub async fn closes(&mut self) -> End {
        self.says_goodbye(1000);
        self.ends_within(PATIENCE).await
    }

    /// Reads once, at most so many bytes.
    pub fn reads(&mut self, most: usize) -> Result<(), End> {
        self.frames.unread.reserve(most);
        match self.socket.try_read_buf(&mut (&mut self.frames.unread).limit(most)) {
            Ok(0) => Err(self.end()),
            Ok(_) => {
                self.hears_frames();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) if self.heard_goodbye.is_some() => Err(self.end()),
            Err(_) => Err(End::Reset),
        }
    }

    /// The FIN of somebody who may still listen.
    pub fn half_closes(&mut self) {
        let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Write); // it may be closed already
    }

    /// From now on a drop resets the connection.
    pub fn will_reset(&mut self) {
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// Tells the model how it ended.
    pub fn leaves(&mut self, parting: Parting) {
        if !std::mem::replace(&mut self.has_left, true) {
            let verdict = self.stage.model().leaves(self.id, self.room, parting);
            self.stage.judge(verdict);
        }
    }

    /// Waits until the socket has something to read or room to write, and does either.
    async fn drives(&mut self) -> Result<(), End> {
        let interest =
            if self.unsent() > 0 { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let Ok(ready) = self.socket.ready(interest).await else { return Err(End::Reset) };
        if ready.is_writable() {
            self.flush();
        }
        if ready.is_readable() { self.reads(16 << 10) } else { Ok(()) }
    }

    async fn listens(&mut self) -> End {
        loop {
            if let Err(end) = self.drives().await {
                return end;
            }
        }
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

    fn says_goodbye(&mut self, code: u16) {
        if self.may_close() {
            self.sends_frame(0x88, &code.to_be_bytes());
            self.said_goodbye = Some(code);
        }
    }

    /// A peer that is gone takes nothing; what it said last is still there to be read.
    fn flush(&mut self) {
        while self.unsent() > 0 {
            match self.socket.try_write(&self.outgoing[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.outgoing.len(),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
    }

    /// Hears what is whole of what was read.
    pub fn hears_frames(&mut self) {
        loop {
            match self.frames.take() {
                Ok(Some(frame)) => self.hears(frame),
                Ok(None) => return,
                Err(wrong) => {
                    self.frames.unread.clear();
                    return self.complains(Promise::WellFormed, "whole frames", wrong);
                }
            }
        }
    }

    fn hears(&mut self, frame: Frame) {
        if self.heard_goodbye.is_some() {
            return self.complains(
                Promise::WellFormed,
                "nothing behind a goodbye",
                format!("{:?}", frame.opcode),
            );
        }
        match frame.opcode {
            Opcode::Text | Opcode::Binary => self.hears_message(frame),
            Opcode::Ping if self.answers => self.sends_frame(0x8a, &frame.payload),
            Opcode::Ping => {}
            Opcode::Pong => self.hears_pong(&frame.payload),
            Opcode::Close => self.hears_goodbye(&frame.payload),
        }
    }

    fn hears_message(&mut self, Frame { opcode, compressed, payload }: Frame) {
        let payload = match compressed {
            false => Ok(payload),
            true if self.compression => inflated(&payload, MAX_MESSAGE).map(Bytes::from),
            true => Err("a compressed message, which nobody agreed on"),
        };
        let heard = match payload {
            Ok(payload) => Utterance { binary: opcode == Opcode::Binary, payload },
            Err(wrong) => return self.complains(Promise::WellFormed, "a message", wrong),
        };
        if self.is_greeted {
            let verdict = self.stage.model().hears(self.id, self.room, heard);
            self.stage.hears(self.room, verdict);
        } else if !heard.binary && heard.payload == "world" {
            self.is_greeted = true;
            self.stage.model().is_greeted(self.id, self.room);
        } else {
            self.complains(Promise::WellFormed, "the greeting", heard);
        }
    }

    fn hears_pong(&mut self, payload: &Bytes) {
        let expected = self.pings.pop_front();
        if expected.as_ref() != Some(payload) {
            self.complains(Promise::WellFormed, format!("a pong for {expected:?}"), format!("{payload:?}"));
        }
    }

    fn hears_goodbye(&mut self, payload: &[u8]) {
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        self.heard_goodbye = Some(code);
        if self.answers && self.said_goodbye.is_none() {
            self.sends_frame(0x88, &payload[..payload.len().min(2)]);
            self.half_closes();
        }
    }

    fn end(&self) -> End {
        match (self.heard_goodbye, self.said_goodbye) {
            (None, _) => End::Lost,
            (heard, said) if heard == said => End::Answered,
            (Some(code), _) => End::Code(code),
        }
    }

    fn complains(&self, promise: Promise, expected: impl ToString, found: impl ToString) {
        let who = format!("{} in {}", self.id, self.room);
        self.stage.judge(Err(Breach::of(promise, who, expected, found)));
    }
}

/// Whoever did not say how it left left suddenly.
impl Drop for Client {
    fn drop(&mut self) {
        self.leaves(Parting::Sudden);
    }
}
