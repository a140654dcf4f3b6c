//! UTF-8 that is validated as it arrives: the first wrong byte is refused at once (RFC 6455 §8.1).

use super::WireError;
use std::str;

/// The text so far, and the first bytes of a character of which not all bytes have arrived.
#[derive(Debug, Default)]
pub struct Text {
    whole: String,
    partial: PartialChar,
}

/// Up to three bytes that are the beginning of a character.
#[derive(Clone, Copy, Debug, Default)]
struct PartialChar {
    bytes: [u8; 4],
    length: u8,
}

impl Text {
    /// Appends bytes that arrived.
    ///
    /// # Errors
    /// [`WireError::NotUtf8`] if no further bytes can make the text UTF-8.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let bytes = self.end_character(bytes)?;
        let (whole, partial) = bytes.split_at(bytes.len() - partial_at_end(bytes));
        self.whole.push_str(simdutf8::basic::from_utf8(whole).map_err(|_| WireError::NotUtf8)?);
        partial.iter().try_for_each(|byte| self.push_byte(*byte))
    }

    /// Returns the whole text.
    ///
    /// # Errors
    /// [`WireError::NotUtf8`] if the last character is incomplete.
    pub fn finish(self) -> Result<String, WireError> {
        if self.partial.length > 0 { Err(WireError::NotUtf8) } else { Ok(self.whole) }
    }

    /// Returns the bytes that have arrived.
    pub fn len(&self) -> usize {
        self.whole.len() + usize::from(self.partial.length)
    }

    /// Returns the bytes of memory that the text occupies.
    pub fn capacity(&self) -> usize {
        self.whole.capacity()
    }

    /// Reserves space for `bytes` more, and no more than that.
    pub fn reserve_exact(&mut self, bytes: usize) {
        self.whole.reserve_exact(usize::from(self.partial.length) + bytes);
    }

    /// Completes the partial character with the first of `bytes`; returns the rest.
    fn end_character<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], WireError> {
        while let ([first, rest @ ..], true) = (bytes, self.partial.length > 0) {
            self.push_byte(*first)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    fn push_byte(&mut self, byte: u8) -> Result<(), WireError> {
        let PartialChar { mut bytes, length } = self.partial;
        bytes[usize::from(length)] = byte;
        match str::from_utf8(&bytes[..=length.into()]) {
            Ok(character) => {
                self.whole.push_str(character);
                self.partial = PartialChar::default();
            }
            Err(error) if error.error_len().is_some() => return Err(WireError::NotUtf8),
            Err(_) => self.partial = PartialChar { bytes, length: length + 1 },
        }
        Ok(())
    }
}

/// Returns the number of bytes at the end that belong to an incomplete character: 0 to 3.
fn partial_at_end(bytes: &[u8]) -> usize {
    let announced = |byte: u8| match byte {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 0, // ASCII, or within a character
    };
    let last = bytes.iter().rev().take(3).zip(1..);
    last.filter(|(byte, present)| announced(**byte) > *present)
        .map(|(_, present)| present)
        .next()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded_by_the_byte(bytes: &[u8]) -> Result<String, usize> {
        let mut text = Text::default();
        for (at, byte) in bytes.iter().enumerate() {
            text.push(&[*byte]).map_err(|_| at)?;
        }
        text.finish().map_err(|_| bytes.len())
    }

    #[test]
    fn text_may_be_cut_anywhere() {
        let bytes = "κόσμε 世界 🌍!".as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut text = Text::default();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    text.push(piece).unwrap();
                }
                assert_eq!(text.finish().unwrap().as_bytes(), bytes);
            }
        }
    }

    #[test]
    fn the_first_wrong_byte_is_refused_when_it_arrives() {
        let cases: [(&[u8], usize); 8] = [
            (b"\x80", 0),             // a continuation byte without a first byte
            (b"\xc0\xaf", 0),         // overlong
            (b"ab\xc3(", 3),          // an incomplete character
            (b"\xe0\x9f\xbf", 1),     // overlong, seen at the second byte
            (b"\xed\xa0\x80", 1),     // a surrogate
            (b"\xf4\x90\x80\x80", 1), // above U+10FFFF
            (b"\xf5", 0),             // above U+10FFFF
            (b"\xf0\x9f\x8c", 3),     // an incomplete character at the end
        ];
        for (bytes, wrong_at) in cases {
            assert_eq!(decoded_by_the_byte(bytes), Err(wrong_at), "{bytes:x?}");
            let mut whole = Text::default();
            assert_eq!(whole.push(bytes).is_err(), wrong_at < bytes.len(), "{bytes:x?}");
        }
    }

    #[test]
    fn text_is_utf_8_exactly_if_it_is_for_the_standard_library() {
        for number in 0..=u16::MAX {
            let bytes = number.to_be_bytes();
            let mut text = Text::default();
            let decoded = text.push(&bytes).and_then(|()| text.finish());
            assert_eq!(decoded.is_ok(), str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
        }
    }
}
