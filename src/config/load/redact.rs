//! Masks secrets in values that are shown.

use super::path::SettingPath;
use crate::config::values::{
    backplane_url::{masked, without_password},
    secret::MASK,
};
use toml::Value;

const SECRETS: [&str; 5] = ["key", "keys", "secret", "token", "password"];

/// Returns `value` with the secrets in it masked.
pub fn redact(key: &SettingPath, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact_text(key, text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| redact(key, item)).collect()),
        Value::Table(section) => {
            let inner = |(name, value): (&String, &Value)| (name.clone(), redact(&key.child(name), value));
            Value::Table(section.iter().map(inner).collect())
        }
        number => number.clone(),
    }
}

/// Returns `text` with the secrets in it masked; an empty text stays empty.
pub fn redact_text(key: &SettingPath, text: &str) -> String {
    let is_secret =
        |name: &str| !name.ends_with("_file") && name.split('_').any(|word| SECRETS.contains(&word));
    match text {
        "" => String::new(),
        _ if key.names().any(is_secret) => MASK.to_owned(),
        _ if *key == "backplane.url".into() => masked(text),
        _ => without_password(text).unwrap_or_else(|| text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: &str, value: &str) -> String {
        redact(&key.into(), &value.parse().unwrap()).to_string()
    }

    #[test]
    fn keys_secrets_tokens_and_passwords_are_masked() {
        assert_eq!(shown("publish.keys", r#"["abc", "def"]"#), r#"["***", "***"]"#);
        assert_eq!(shown("admin.password", r#""abc""#), r#""***""#);
        assert_eq!(shown("admin.auth_token", r#""abc""#), r#""***""#);
        assert_eq!(shown("publish", r#"{ key = "abc", name = "x" }"#), r#"{ key = "***", name = "x" }"#);
    }

    #[test]
    fn only_the_password_of_an_address_is_masked() {
        assert_eq!(shown("backplane.url", r#""redis://u:p@s:s@host/0""#), r#""redis://u:***@host/0""#);
        assert_eq!(shown("backplane.url", r#""redis://:pass@host""#), r#""redis://:***@host""#);
        assert_eq!(shown("backplane.url", r#""redis://host:6379""#), r#""redis://host:6379""#);
        assert_eq!(
            shown("backplane.url", r#""unix:///a.sock?user=u&pass=p&db=1""#),
            r#""unix:///a.sock?user=u&pass=***&db=1""#
        );
        assert_eq!(shown("origins.allowed", r#"["https://a:8080"]"#), r#"["https://a:8080"]"#);
    }

    #[test]
    fn an_empty_value_is_shown_empty() {
        assert_eq!(shown("publish.keys", "[]"), "[]");
        assert_eq!(shown("admin.password", r#""""#), r#""""#);
    }

    #[test]
    fn other_words_are_no_secrets() {
        assert_eq!(shown("rooms.keyboard", r#""abc""#), r#""abc""#);
        assert_eq!(shown("backplane.password_file", r#""/run/secrets/a""#), r#""/run/secrets/a""#);
    }
}
