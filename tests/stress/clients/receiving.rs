//! What a client hears: well-formed frames, a greeting first, then what the model expects.

use super::{
    Client,
    compression::inflated,
    frames::{Frame, Opcode},
};
use crate::{
    model::{Breach, Promise, Utterance},
    settings::MAX_MESSAGE,
};
use bytes::Bytes;

impl Client {
    /// Hears what is whole of what was read.
    pub fn hears_frames(&mut self) {
        loop {
            match self.line.frames.take() {
                Ok(Some(frame)) => self.hears(frame),
                Ok(None) => return,
                Err(wrong) => {
                    self.line.frames.unread.clear();
                    return self.complains("whole frames", wrong);
                }
            }
        }
    }

    fn hears(&mut self, frame: Frame) {
        if self.heard_goodbye.is_some() {
            return self.complains("nothing behind a goodbye", format!("{:?}", frame.opcode));
        }
        match frame.opcode {
            Opcode::Text | Opcode::Binary => self.hears_message(frame),
            Opcode::Ping if self.answers && self.said_goodbye.is_none() => {
                self.sends_frame(0x8a, &frame.payload);
            }
            Opcode::Ping => {}
            Opcode::Pong => self.hears_pong(&frame.payload),
            Opcode::Close => self.hears_goodbye(&frame.payload),
        }
    }

    fn hears_message(&mut self, frame: Frame) {
        let binary = frame.opcode == Opcode::Binary;
        let heard = match self.plain(frame) {
            Ok(payload) => Utterance { binary, payload },
            Err(wrong) => return self.complains("a message", wrong),
        };
        if self.is_greeted {
            let verdict = self.stage.model().hears(self.id, self.room, heard);
            self.stage.hears(self.room, verdict);
        } else if !heard.binary && heard.payload == "world" {
            self.is_greeted = true;
            self.stage.model().is_greeted(self.id, self.room);
        } else {
            self.complains("the greeting", heard);
        }
    }

    fn plain(&self, Frame { compressed, payload, .. }: Frame) -> Result<Bytes, &'static str> {
        match compressed {
            false => Ok(payload),
            true if self.compression => inflated(&payload, MAX_MESSAGE).map(Bytes::from),
            true => Err("a compressed message, which nobody agreed on"),
        }
    }

    fn hears_pong(&mut self, payload: &Bytes) {
        let expected = self.pings.pop_front();
        if expected.as_ref() != Some(payload) {
            self.complains(format!("a pong for {expected:?}"), format!("{payload:?}"));
        }
    }

    fn hears_goodbye(&mut self, payload: &[u8]) {
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        self.heard_goodbye = Some(code);
        if self.answers && self.said_goodbye.is_none() {
            self.sends_frame(0x88, &payload[..payload.len().min(2)]);
            self.line.half_closes();
        }
    }

    fn complains(&self, expected: impl ToString, found: impl ToString) {
        let who = format!("{} in {}", self.id, self.room);
        self.stage.judge(Err(Breach::of(Promise::WellFormed, who, expected, found)));
    }
}
