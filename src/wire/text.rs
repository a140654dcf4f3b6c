//! UTF-8, judged as it comes: the first wrong byte is known when it is there (RFC 6455 §8.1).

use super::WireError;
use std::str;

/// Text so far, and the first bytes of a character whose last have not come.
#[derive(Debug, Default)]
pub struct Text {
    whole: String,
    begun: Begun,
}

/// Up to three bytes that are not a character yet, and can become one.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    bytes: [u8; 4],
    length: u8,
}

impl Text {
    /// Takes what came next.
    ///
    /// # Errors
    /// [`WireError::NotUtf8`] if no further bytes can make this UTF-8.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let bytes = self.end_character(bytes)?;
        let (whole, begun) = bytes.split_at(bytes.len() - begun_at_the_end_of(bytes));
        self.whole.push_str(simdutf8::basic::from_utf8(whole).map_err(|_| WireError::NotUtf8)?);
        begun.iter().try_for_each(|byte| self.push_byte(*byte))
    }

    /// # Errors
    /// [`WireError::NotUtf8`] if a character lacks its last bytes.
    pub fn finish(self) -> Result<String, WireError> {
        if self.begun.length > 0 { Err(WireError::NotUtf8) } else { Ok(self.whole) }
    }

    /// Bytes that came.
    pub fn len(&self) -> usize {
        self.whole.len() + usize::from(self.begun.length)
    }

    pub fn capacity(&self) -> usize {
        self.whole.capacity()
    }

    /// Makes room for `bytes` more, and no further.
    pub fn reserve_exact(&mut self, bytes: usize) {
        self.whole.reserve_exact(usize::from(self.begun.length) + bytes);
    }

    /// Gives the begun character the bytes that it lacks; returns those that it does not need.
    fn end_character<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], WireError> {
        while let ([first, rest @ ..], true) = (bytes, self.begun.length > 0) {
            self.push_byte(*first)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    fn push_byte(&mut self, byte: u8) -> Result<(), WireError> {
        let Begun { mut bytes, length } = self.begun;
        bytes[usize::from(length)] = byte;
        match str::from_utf8(&bytes[..=length.into()]) {
            Ok(character) => {
                self.whole.push_str(character);
                self.begun = Begun::default();
            }
            Err(error) if error.error_len().is_some() => return Err(WireError::NotUtf8),
            Err(_) => self.begun = Begun { bytes, length: length + 1 },
        }
        Ok(())
    }
}

/// How many of the last bytes belong to a character that needs more than there are; 0 to 3.
fn begun_at_the_end_of(bytes: &[u8]) -> usize {
    let announced = |byte: u8| match byte {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 0, // ASCII, or within a character
    };
    let last = bytes.iter().rev().take(3).zip(1..);
    last.filter(|(byte, there)| announced(**byte) > *there).map(|(_, there)| there).next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged_by_the_byte(bytes: &[u8]) -> Result<String, usize> {
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
    fn the_first_wrong_byte_is_refused_when_it_comes() {
        let cases: [(&[u8], usize); 8] = [
            (b"\x80", 0),             // a continuation that continues nothing
            (b"\xc0\xaf", 0),         // overlong
            (b"ab\xc3(", 3),          // a character that breaks off
            (b"\xe0\x9f\xbf", 1),     // overlong, seen at the second byte
            (b"\xed\xa0\x80", 1),     // a surrogate
            (b"\xf4\x90\x80\x80", 1), // above U+10FFFF
            (b"\xf5", 0),             // above U+10FFFF
            (b"\xf0\x9f\x8c", 3),     // never ends
        ];
        for (bytes, wrong_at) in cases {
            assert_eq!(judged_by_the_byte(bytes), Err(wrong_at), "{bytes:x?}");
            let mut whole = Text::default();
            assert_eq!(whole.push(bytes).is_err(), wrong_at < bytes.len(), "{bytes:x?}");
        }
    }

    #[test]
    fn text_is_utf_8_exactly_when_the_standard_library_says_so() {
        for number in 0..=u16::MAX {
            let bytes = number.to_be_bytes();
            let mut text = Text::default();
            let judged = text.push(&bytes).and_then(|()| text.finish());
            assert_eq!(judged.is_ok(), str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
        }
    }
}
