//! Text of other clients, made safe for a terminal.

use std::fmt::Write;

/// Escapes the characters of `text` that would move the cursor, color the screen or change the
/// direction of writing, except those in `kept`.
pub fn escaped(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match (c.is_control() || changes_direction(c)) && !kept.contains(&c) {
            true => write!(shown, "{}", c.escape_debug()).expect("writing to a string never fails"),
            false => shown.push(c),
        }
    }
    shown
}

/// Returns true for overrides and isolates of Unicode's bidirectional algorithm (UAX #9).
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        assert_eq!(escaped("\x1b[2J\x07\r\x7f", &[]), r"\u{1b}[2J\u{7}\r\u{7f}");
        assert_eq!(escaped("\u{9b}31m\u{90}", &[]), r"\u{9b}31m\u{90}");
        assert_eq!(escaped("\u{202e}abc\u{2066}", &[]), r"\u{202e}abc\u{2066}");
        assert_eq!(escaped("a\tb\nc", &['\t', '\n']), "a\tb\nc");
        assert_eq!(escaped("grüße, 日本, 👩‍👧", &[]), "grüße, 日本, 👩‍👧");
    }
}
