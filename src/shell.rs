//! Words of command lines that a person copies into a shell.

use std::path::Path;

/// Returns `word` as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Returns `path` as a shell reads it back, and as no command takes it for an option.
pub fn quoted_path(path: &Path) -> String {
    match path.to_string_lossy() {
        option if option.starts_with('-') => quoted(&format!("./{option}")),
        path => quoted(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        for (word, expected) in [
            ("--listen", "--listen"),
            ("[::]:80", "'[::]:80'"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
        assert_eq!(quoted_path(Path::new("-x y")), "'./-x y'");
        assert_eq!(quoted_path(Path::new("config/default.toml")), "config/default.toml");
    }
}
