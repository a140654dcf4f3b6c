//! Bytes of fixtures.

/// The bytes of `digits`, which are pairs of hexadecimal digits with spaces between.
///
/// # Panics
/// If a pair is not hexadecimal.
pub fn hex(digits: &str) -> Vec<u8> {
    let byte = |digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
    digits.split_whitespace().map(byte).collect()
}
