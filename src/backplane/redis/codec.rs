//! Batches and changes of members as bytes: the payloads of channels and of streams.
//!
//! A payload is a kind byte, a header of text that ends at a line feed, and a body. A script
//! prepends the first part of the header of a batch, so that Redis numbers messages without
//! reading them. Numbers of the body are big-endian.
//!
//! ```text
//! m EPOCH TOP COUNT NODE SEQUENCE \n   COUNT × (time u64 ms, flags u8, [who u64], [except u64],
//!                                               length u32, bytes)
//! c NODE SEQUENCE CLIENTS JOINED LEFT \n   (JOINED + LEFT) × speaker as text
//! ```

use super::{
    call::Push,
    entry::{Entry, NodeId, Sequence, StoredMessage},
};
use crate::{
    history::{Audience, Epoch, Offset, Position},
    ids::SpeakerId,
    wire::Payload,
};
use bytes::Bytes;
use bytestring::ByteString;
#[cfg(test)]
use std::io::Write;
use std::time::{Duration, SystemTime};

/// The kind byte of a batch.
const MESSAGES: u8 = b'm';
/// The kind byte of a change of members.
const MEMBERS: u8 = b'c';

/// Flag of a message: its payload is binary.
const BINARY: u8 = 1;
/// Flag of a message: a publisher follows.
const HAS_WHO: u8 = 2;
/// Flag of a message: the member that does not receive it follows.
const HAS_EXCEPT: u8 = 4;

/// Digits of an epoch and of a node.
const HEX_LENGTH: usize = 16;
/// Characters of a speaker.
const SPEAKER_LENGTH: usize = 13;
/// The lowest offset and sequence that Redis cannot hold: its scripts count in doubles.
pub const NUMBER_BOUND: u64 = 1 << 53;

/// The bytes are no payload of this version of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a payload of worldcast: {0}")]
pub struct DecodeError(&'static str);

/// Returns the body of a batch: everything that does not depend on its place in the order.
pub fn encode_entry_body(messages: &[StoredMessage]) -> Vec<u8> {
    let length = messages.iter().map(encoded_length).sum();
    let mut body = Vec::with_capacity(length);
    messages.iter().for_each(|message| encode_message(message, &mut body));
    body
}

fn encoded_length(message: &StoredMessage) -> usize {
    8 + 1 + 8 + 8 + 4 + message.payload.as_bytes().len()
}

fn encode_message(StoredMessage { payload, who, audience, time }: &StoredMessage, body: &mut Vec<u8>) {
    let excluded = audience.excluded();
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(matches!(payload, Payload::Binary(_)), BINARY)
        | flag(who.is_some(), HAS_WHO)
        | flag(excluded.is_some(), HAS_EXCEPT);
    let bytes = payload.as_bytes();
    let length = u32::try_from(bytes.len()).expect("session.max_message is below 4 GiB");
    body.extend_from_slice(&to_millis(*time).to_be_bytes());
    body.push(flags);
    for speaker in [*who, excluded].into_iter().flatten() {
        body.extend_from_slice(&speaker.to_u64().to_be_bytes());
    }
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(bytes);
}

/// Returns the time in milliseconds since 1970; times before are 0.
pub fn to_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Returns the part of a batch that follows its offset: the script puts the kind, the epoch and
/// the offset before it.
pub fn encode_tail(node: NodeId, sequence: Sequence, messages: &[StoredMessage]) -> Vec<u8> {
    let mut tail = format!(" {} {node} {}\n", messages.len(), sequence.0).into_bytes();
    tail.append(&mut encode_entry_body(messages));
    tail
}

/// Returns the payload of a batch, the same bytes as those of the script that appended it.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let Position { epoch, offset } = entry.until;
    let mut payload = format!("{}{epoch} {offset}", char::from(MESSAGES)).into_bytes();
    payload.append(&mut encode_tail(entry.node, entry.sequence, &entry.messages));
    payload
}

/// Returns the payload of a publication.
#[cfg(test)]
pub fn encode_push(push: &Push) -> Vec<u8> {
    let (node, sequence, clients, joined, left) = match push {
        Push::Messages(entry) => return encode_entry(entry),
        Push::Members { node, sequence, clients, joined, left } => (node, sequence, clients, joined, left),
    };
    let kind = char::from(MEMBERS);
    let mut payload =
        format!("{kind}{node} {} {clients} {} {}\n", sequence.0, joined.len(), left.len()).into_bytes();
    for speaker in joined.iter().chain(left) {
        write!(payload, "{speaker}").expect("memory takes every byte");
    }
    payload
}

/// Reads a publication. Payloads are copied, so that no message holds the bytes of a whole batch.
///
/// # Errors
/// [`DecodeError`] if the bytes are not exactly one payload.
pub fn decode_push(payload: &[u8]) -> Result<Push, DecodeError> {
    match payload.split_first() {
        Some((&MESSAGES, rest)) => Reader(rest).entry().map(Push::Messages),
        Some((&MEMBERS, rest)) => Reader(rest).members(),
        _ => Err(DecodeError("unknown kind")),
    }
}

/// Reads a batch.
///
/// # Errors
/// [`DecodeError`] if the bytes are not exactly one batch.
pub fn decode_entry(payload: &[u8]) -> Result<Entry, DecodeError> {
    match decode_push(payload)? {
        Push::Messages(entry) => Ok(entry),
        Push::Members { .. } => Err(DecodeError("not a batch")),
    }
}

/// The bytes that are not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn entry(mut self) -> Result<Entry, DecodeError> {
        let epoch = Epoch::from_u64(self.hex()?).ok_or(DecodeError("no epoch is 0"))?;
        self.byte(b' ')?;
        let offset = self.number(b' ')?;
        let count = self.number(b' ')?;
        let node = NodeId(self.hex()?);
        self.byte(b' ')?;
        let sequence = Sequence(self.number(b'\n')?);
        if count == 0 || offset < count {
            return Err(DecodeError("no such batch"));
        }
        let mut messages = Vec::new(); // grows with what is there, not with what is announced
        for _ in 0..count {
            messages.push(self.message()?);
        }
        self.end()?;
        Ok(Entry { until: Position { epoch, offset: Offset::from_u64(offset) }, node, sequence, messages })
    }

    fn message(&mut self) -> Result<StoredMessage, DecodeError> {
        let time = Duration::from_millis(u64::from_be_bytes(self.array()?));
        let time = SystemTime::UNIX_EPOCH.checked_add(time).ok_or(DecodeError("no such time"))?;
        let [flags] = self.array()?;
        if flags & !(BINARY | HAS_WHO | HAS_EXCEPT) != 0 {
            return Err(DecodeError("unknown flag"));
        }
        let who = if flags & HAS_WHO != 0 { Some(self.speaker_number()?) } else { None };
        let audience = match flags & HAS_EXCEPT {
            0 => Audience::Everyone,
            _ => Audience::Except(self.speaker_number()?),
        };
        let length = u32::from_be_bytes(self.array()?) as usize;
        let bytes = Bytes::copy_from_slice(self.take(length)?);
        let payload = match flags & BINARY {
            0 => Payload::Text(ByteString::try_from(bytes).map_err(|_| DecodeError("text is not UTF-8"))?),
            _ => Payload::Binary(bytes),
        };
        Ok(StoredMessage { payload, who, audience, time })
    }

    fn members(mut self) -> Result<Push, DecodeError> {
        let node = NodeId(self.hex()?);
        self.byte(b' ')?;
        let sequence = Sequence(self.number(b' ')?);
        let clients = self.number(b' ')?.try_into().map_err(|_| DecodeError("too many clients"))?;
        let joined = self.number(b' ')?;
        let left = self.number(b'\n')?;
        let joined = self.speakers(joined)?;
        let left = self.speakers(left)?;
        self.end()?;
        Ok(Push::Members { node, sequence, clients, joined, left })
    }

    fn speakers(&mut self, count: u64) -> Result<Vec<SpeakerId>, DecodeError> {
        let mut speakers = Vec::new();
        for _ in 0..count {
            let text = str::from_utf8(self.take(SPEAKER_LENGTH)?).ok();
            speakers.push(text.and_then(|text| text.parse().ok()).ok_or(DecodeError("not a speaker"))?);
        }
        Ok(speakers)
    }

    fn speaker_number(&mut self) -> Result<SpeakerId, DecodeError> {
        self.array().map(u64::from_be_bytes).map(SpeakerId::from_u64)
    }

    /// 16 hexadecimal digits in lower case.
    fn hex(&mut self) -> Result<u64, DecodeError> {
        let digits = self.take(HEX_LENGTH)?;
        parse_hex(digits).ok_or(DecodeError("not 16 hexadecimal digits"))
    }

    /// A decimal number below 2^53, and the byte after it.
    fn number(&mut self, end: u8) -> Result<u64, DecodeError> {
        let length = self.0.iter().take(HEX_LENGTH + 1).position(|byte| *byte == end);
        let digits = self.take(length.ok_or(DecodeError("incomplete header"))?)?;
        self.byte(end)?;
        parse_number(digits).ok_or(DecodeError("not a number below 2^53"))
    }

    fn byte(&mut self, expected: u8) -> Result<(), DecodeError> {
        if self.array()? == [expected] { Ok(()) } else { Err(DecodeError("wrong separator")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(DecodeError("too short"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError("too long")) }
    }
}

/// Reads exactly 16 hexadecimal digits in lower case.
pub fn parse_hex(digits: &[u8]) -> Option<u64> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != HEX_LENGTH || !digits.iter().all(is_digit) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Reads a decimal number below 2^53 in the one form in which it is written.
pub fn parse_number(digits: &[u8]) -> Option<u64> {
    let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || !digits.starts_with(b"0"));
    let number = str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number < NUMBER_BOUND)?;
    is_plain.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn speaker() -> impl Strategy<Value = SpeakerId> {
        any::<u64>().prop_map(SpeakerId::from_u64)
    }

    fn message() -> impl Strategy<Value = StoredMessage> {
        let text = any::<String>().prop_map(|text| Payload::Text(text.into()));
        let binary = any::<Vec<u8>>().prop_map(|bytes| Payload::Binary(bytes.into()));
        let audience = prop::option::of(speaker())
            .prop_map(|excluded| excluded.map_or(Audience::Everyone, Audience::Except));
        let time = (0..NUMBER_BOUND).prop_map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        (prop_oneof![text, binary], prop::option::of(speaker()), audience, time)
            .prop_map(|(payload, who, audience, time)| StoredMessage { payload, who, audience, time })
    }

    fn push() -> impl Strategy<Value = Push> {
        let place = (1..u64::MAX, 0..NUMBER_BOUND - 9, any::<u64>(), 0..NUMBER_BOUND);
        let batch = (place, prop::collection::vec(message(), 1..9)).prop_map(|(place, messages)| {
            let (epoch, before, node, sequence) = place;
            let offset = Offset::from_u64(before + messages.len() as u64);
            let until = Position { epoch: Epoch::from_u64(epoch).unwrap(), offset };
            Push::Messages(Entry { until, node: NodeId(node), sequence: Sequence(sequence), messages })
        });
        let speakers = || prop::collection::vec(speaker(), 0..9);
        let members = (any::<u64>(), 0..NUMBER_BOUND, 0..1000_usize, speakers(), speakers()).prop_map(
            |(node, sequence, clients, joined, left)| Push::Members {
                node: NodeId(node),
                sequence: Sequence(sequence),
                clients,
                joined,
                left,
            },
        );
        prop_oneof![batch, members]
    }

    proptest! {
        #[test]
        fn a_publication_is_read_as_it_was_written(push in push()) {
            prop_assert_eq!(decode_push(&encode_push(&push)), Ok(push));
        }

        /// Reading never panics, and what can be read is written in one way only.
        #[test]
        fn damaged_bytes_are_refused_or_are_another_publication(
            push in push(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut payload = encode_push(&push);
            let at = at.index(payload.len());
            payload[at] = byte;
            if let Ok(other) = decode_push(&payload) {
                prop_assert_eq!(encode_push(&other), payload.clone());
            }
            payload.truncate(cut.index(payload.len()));
            if let Ok(other) = decode_push(&payload) {
                prop_assert_eq!(encode_push(&other), payload);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(kind in "[mc]", bytes in any::<Vec<u8>>()) {
            let _ = decode_push(&[kind.as_bytes(), &bytes].concat());
        }
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let header = format!("m{:016x} {} {} {:016x} 1\n", 1, NUMBER_BOUND - 1, NUMBER_BOUND - 1, 2);
        assert_eq!(decode_push(header.as_bytes()), Err(DecodeError("too short")));
        let message = [header.as_bytes(), &[0; 9], &[255; 4], b"few"].concat();
        assert_eq!(decode_push(&message), Err(DecodeError("too short")));
        let members = format!("c{:016x} 1 1 {} 0\n", 2, NUMBER_BOUND - 1);
        assert_eq!(decode_push(members.as_bytes()), Err(DecodeError("too short")));
    }

    #[test]
    fn a_number_has_one_form_and_is_below_2_to_the_53() {
        for text in ["", "01", "+1", "-1", "1 ", "9007199254740992", "99999999999999999999", "0x1"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_number(b"0"), Some(0));
        assert_eq!(parse_number(b"9007199254740991"), Some(NUMBER_BOUND - 1));
    }
}
