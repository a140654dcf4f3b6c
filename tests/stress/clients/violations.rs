//! Clients that break a rule of the wire, each with the code that it must get (RFC 6455 §7.4.1).

use super::{Client, End, PATIENCE, compression::deflated};
use crate::settings::MAX_MESSAGE;
use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offence {
    /// Bytes that no frame may begin with.
    Bytes(&'static [u8], u16),
    /// Text that is not UTF-8, in the second of two fragments.
    NotText,
    /// A message that announces more than may be said.
    TooLong,
    /// More than may be said, in fragments each of which may be.
    TooLongTogether,
    /// Fragments without end.
    TooManyPieces,
    /// A little that inflates to very much.
    Bomb,
    /// Nothing but noise.
    Noise,
}

const RULES: [Offence; 12] = [
    Offence::Bytes(b"\x91\x80\0\0\0\0", 1002),       // a reserved bit
    Offence::Bytes(b"\x83\x80\0\0\0\0", 1002),       // a reserved opcode
    Offence::Bytes(b"\x81\x05hello", 1002),          // no mask
    Offence::Bytes(b"\x09\x80\0\0\0\0", 1002),       // a control frame in pieces
    Offence::Bytes(b"\x89\xfe\0\x7e\0\0\0\0", 1002), // a long control frame
    Offence::Bytes(b"\x82\xfe\0\x05\0\0\0\0hello", 1002), // a length in its long form
    Offence::Bytes(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002), // a negative length
    Offence::Bytes(b"\x80\x80\0\0\0\0", 1002),       // nothing to continue
    Offence::Bytes(b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 1002), // a message within a message
    Offence::Bytes(b"\x88\x81\0\0\0\0\x03", 1002),   // half a close code
    Offence::Bytes(b"\x88\x82\0\0\0\0\x03\xed", 1002), // a close code that is never sent
    Offence::Bytes(b"\x88\x84\0\0\0\0\x03\xe8\xff\xff", 1007), // a reason that is not UTF-8
];

impl Offence {
    pub fn draw(rng: &mut Rng) -> Self {
        use Offence::*;
        match rng.usize(..RULES.len() + 6) {
            rule if rule < RULES.len() => RULES[rule],
            other => [NotText, TooLong, TooLongTogether, TooManyPieces, Bomb, Noise][other - RULES.len()],
        }
    }

    pub fn code(self) -> u16 {
        match self {
            Self::Bytes(_, code) => code,
            Self::NotText => 1007,
            Self::TooLong | Self::TooLongTogether | Self::Bomb => 1009,
            Self::TooManyPieces => 1008,
            Self::Noise => 1002,
        }
    }
}

/// Says something that must be delivered, and breaks a rule in the same breath.
pub async fn offends(client: &mut Client, offence: Offence) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.says(100);
    commits(client, offence);
    if client.rng.bool() {
        client.sends_bytes(&[0x55; 32 << 10]); // goes on as if nothing had happened
    }
    Ok(client.ends_within(PATIENCE).await)
}

fn commits(client: &mut Client, offence: Offence) {
    match offence {
        Offence::Bytes(bytes, _) => client.sends_bytes(bytes),
        Offence::NotText => {
            client.sends_frame(0x01, "grü".as_bytes());
            client.sends_frame(0x80, b"\xc3\xc3");
        }
        Offence::TooLong => client.sends_bytes(b"\x82\xff\0\0\0\x01\0\0\0\0"),
        Offence::TooLongTogether => {
            client.sends_frame(0x02, &vec![0; MAX_MESSAGE]);
            client.sends_frame(0x80, &[0]);
        }
        Offence::TooManyPieces => {
            client.sends_frame(0x02, b"");
            (0..1200).for_each(|_| client.sends_frame(0x00, b""));
        }
        Offence::Bomb if client.compression => {
            client.sends_frame(0xc2, &deflated(&vec![0; 32 * MAX_MESSAGE]))
        }
        Offence::Bomb => client.sends_frame(0x82, &vec![0; MAX_MESSAGE + 1]),
        Offence::Noise => client.sends_bytes(&[0x3f; 1000]),
    }
}
