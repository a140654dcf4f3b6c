//! Received frames: well-formed, the greeting first, then messages that the model expects.

use super::{
    Client,
    compression::inflated,
    frames::{Frame, Opcode},
};
use crate::{
    model::{Breach, Message, Promise},
    settings::MAX_MESSAGE,
};
use bytes::Bytes;

impl Client {
    /// Processes the frames that are complete.
    pub fn receives_frames(&mut self) {
        loop {
            match self.line.frames.take() {
                Ok(Some(frame)) => self.receives(frame),
                Ok(None) => return,
                Err(wrong) => {
                    self.line.frames.unread.clear();
                    return self.breaks_the_protocol("whole frames", wrong);
                }
            }
        }
    }

    fn receives(&mut self, frame: Frame) {
        if self.received_close.is_some() {
            return self.breaks_the_protocol("nothing after a close frame", format!("{:?}", frame.opcode));
        }
        match frame.opcode {
            Opcode::Text | Opcode::Binary => self.receives_message(frame),
            Opcode::Ping if self.answers && self.sent_close.is_none() => {
                self.sends_frame(0x8a, &frame.payload);
            }
            Opcode::Ping => {}
            Opcode::Pong => self.receives_pong(&frame.payload),
            Opcode::Close => self.receives_close_frame(&frame.payload),
        }
    }

    fn receives_message(&mut self, frame: Frame) {
        let binary = frame.opcode == Opcode::Binary;
        let received = match self.plain(frame) {
            Ok(payload) => Message { binary, payload },
            Err(wrong) => return self.breaks_the_protocol("a message", wrong),
        };
        if self.is_greeted {
            let verdict = self.stage.model().receives(self.id, self.room, received);
            self.stage.receives(self.room, verdict);
        } else if !received.binary && received.payload == "world" {
            self.is_greeted = true;
            self.stage.model().is_greeted(self.id, self.room);
        } else {
            self.breaks_the_protocol("the greeting", received);
        }
    }

    fn plain(&self, Frame { compressed, payload, .. }: Frame) -> Result<Bytes, &'static str> {
        match compressed {
            false => Ok(payload),
            true if self.compression => inflated(&payload, MAX_MESSAGE).map(Bytes::from),
            true => Err("a compressed message, which was not negotiated"),
        }
    }

    fn receives_pong(&mut self, payload: &Bytes) {
        let expected = self.pings.pop_front();
        if expected.as_ref() != Some(payload) {
            self.breaks_the_protocol(format!("a pong for {expected:?}"), format!("{payload:?}"));
        }
    }

    fn receives_close_frame(&mut self, payload: &[u8]) {
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        self.received_close = Some(code);
        if self.answers && self.sent_close.is_none() {
            self.sends_frame(0x88, &payload[..payload.len().min(2)]);
            self.line.half_closes();
        }
    }

    fn breaks_the_protocol(&self, expected: impl ToString, found: impl ToString) {
        let who = format!("{} in {}", self.id, self.room);
        self.stage.judge(Err(Breach::of(Promise::WellFormed, who, expected, found)));
    }
}
