//! Clients that break a rule of the protocol, each with the expected close code (RFC 6455 §7.4.1).

use super::{Client, End, PATIENCE, compression::deflated};
use crate::settings::MAX_MESSAGE;
use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Violation {
    /// Bytes that no frame may begin with.
    Bytes(&'static [u8], u16),
    /// Text that is not UTF-8, in the second of two fragments.
    NotText,
    /// A message that announces more than `session.max_message`.
    TooLong,
    /// More than `session.max_message`, in fragments below it.
    TooLongTogether,
    /// Fragments without end.
    TooManyPieces,
    /// A little that inflates to very much.
    Bomb,
    /// Nothing but noise.
    Noise,
}

const RULES: [Violation; 12] = [
    Violation::Bytes(b"\x91\x80\0\0\0\0", 1002),       // a reserved bit
    Violation::Bytes(b"\x83\x80\0\0\0\0", 1002),       // a reserved opcode
    Violation::Bytes(b"\x81\x05hello", 1002),          // no mask
    Violation::Bytes(b"\x09\x80\0\0\0\0", 1002),       // a control frame in pieces
    Violation::Bytes(b"\x89\xfe\0\x7e\0\0\0\0", 1002), // a long control frame
    Violation::Bytes(b"\x82\xfe\0\x05\0\0\0\0hello", 1002), // a length in its long form
    Violation::Bytes(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002), // a negative length
    Violation::Bytes(b"\x80\x80\0\0\0\0", 1002),       // nothing to continue
    Violation::Bytes(b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 1002), // a message within a message
    Violation::Bytes(b"\x88\x81\0\0\0\0\x03", 1002),   // half a close code
    Violation::Bytes(b"\x88\x82\0\0\0\0\x03\xed", 1002), // a close code that is never sent
    Violation::Bytes(b"\x88\x84\0\0\0\0\x03\xe8\xff\xff", 1007), // a reason that is not UTF-8
];

impl Violation {
    pub fn draw(rng: &mut Rng) -> Self {
        use Violation::*;
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

/// Publishes a message that must be delivered, and breaks a rule right after it.
pub async fn violates(client: &mut Client, violation: Violation) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.publishes(100);
    commits(client, violation);
    if client.rng.bool() {
        client.sends_bytes(&[0x55; 32 << 10]); // continues as if nothing had happened
    }
    Ok(client.ends_within(PATIENCE).await)
}

fn commits(client: &mut Client, violation: Violation) {
    match violation {
        Violation::Bytes(bytes, _) => client.sends_bytes(bytes),
        Violation::NotText => {
            client.sends_frame(0x01, "grü".as_bytes());
            client.sends_frame(0x80, b"\xc3\xc3");
        }
        Violation::TooLong => client.sends_bytes(b"\x82\xff\0\0\0\x01\0\0\0\0"),
        Violation::TooLongTogether => {
            client.sends_frame(0x02, &vec![0; MAX_MESSAGE]);
            client.sends_frame(0x80, &[0]);
        }
        Violation::TooManyPieces => {
            client.sends_frame(0x02, b"");
            (0..1200).for_each(|_| client.sends_frame(0x00, b""));
        }
        Violation::Bomb if client.compression => {
            client.sends_frame(0xc2, &deflated(&vec![0; 32 * MAX_MESSAGE]))
        }
        Violation::Bomb => client.sends_frame(0x82, &vec![0; MAX_MESSAGE + 1]),
        Violation::Noise => client.sends_bytes(&[0x3f; 1000]),
    }
}
