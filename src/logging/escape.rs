//! Text of clients, made safe for a log.

use std::fmt::{self, Write};

/// The longest part of a text that is logged, in bytes, inclusive.
const MAX_LOGGED: usize = 512;

/// A text of a client that can neither forge a line nor control a terminal: control and formatting
/// characters are escaped, and a text of more than 512 bytes is cut after the last whole character.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.floor_char_boundary(MAX_LOGGED);
        for c in self.0[..end].chars() {
            if is_plain(c) { f.write_char(c)? } else { write!(f, "{}", c.escape_default())? }
        }
        match self.0.len() {
            length if length > end => write!(f, "… ({length} bytes)"),
            _ => Ok(()),
        }
    }
}

/// Returns true for a character that is no control character, does not break lines, is visible, and
/// does not change the direction of writing (Unicode TR 36).
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_logged_unchanged() {
        for text in ["hello", "from client: hello", r#"a "quoted" \ text"#, "grüß dich 🌍", ""] {
            assert_eq!(Escaped(text).to_string(), text);
        }
    }

    #[test]
    fn no_text_can_forge_a_line_or_control_a_terminal() {
        assert_eq!(Escaped("a\nserver: receive connection.").to_string(), "a\\nserver: receive connection.");
        assert_eq!(Escaped("\x1b[2J\r\0").to_string(), "\\u{1b}[2J\\r\\u{0}");
        assert_eq!(Escaped("a\u{202e}b\u{2028}\u{85}").to_string(), "a\\u{202e}b\\u{2028}\\u{85}");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(Escaped(&"x".repeat(600)).to_string(), format!("{}… (600 bytes)", "x".repeat(512)));
        assert_eq!(Escaped(&"ä".repeat(300)).to_string(), format!("{}… (600 bytes)", "ä".repeat(256)));
        assert_eq!(Escaped(&"x".repeat(512)).to_string(), "x".repeat(512));
    }
}
