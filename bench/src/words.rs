//! Numbers and payloads as text.

use std::fmt::Display;

/// A figure as short as its meaning allows.
pub fn rounded(figure: f64) -> String {
    match figure {
        1000.0.. => grouped(format_args!("{figure:.0}")),
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// 1,234,567
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut groups: Vec<_> = digits.as_bytes().rchunks(3).map(String::from_utf8_lossy).collect();
    groups.reverse();
    groups.join(",")
}

/// A payload of `bytes` bytes that resembles JSON.
pub fn json(bytes: usize) -> String {
    const NAMES: [&str; 7] = ["anna", "bert", "carla", "dmitri", "eve", "fatima", "goro"];
    let row = |at: usize| {
        let (name, number) = (NAMES[at % 7], at * 7_919 % 10_007);
        format!(
            r#"{{"id":{number},"from":"{name}","price":{}.{:02},"open":{}}},"#,
            at * 37,
            at % 100,
            at.is_multiple_of(3)
        )
    };
    let mut text: String = (0..bytes / 40 + 1).map(row).collect();
    text.truncate(bytes);
    text
}
