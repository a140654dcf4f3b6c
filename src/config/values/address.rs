//! The addresses of listeners, as a list of IP address and port. Host names are refused: a name may
//! have several addresses.

use super::text::FromText;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::SocketAddr;

/// The description of a listener's address, after "expected".
pub const ADDRESS_SYNTAX: &str =
    "an IP address and a port such as \"127.0.0.1:8080\", \"0.0.0.0:80\" or \"[::1]:8080\"";

struct Address(SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: ADDRESS_SYNTAX,
            parse: |text| text.parse().ok().map(Address),
        })
    }
}

/// Serializes a list of addresses as a list of text.
///
/// # Errors
/// Returns the error of `serializer`.
pub fn serialize<S: Serializer>(addresses: &[SocketAddr], serializer: S) -> Result<S::Ok, S::Error> {
    addresses.serialize(serializer)
}

/// Deserializes a list of addresses from a list of text.
///
/// # Errors
/// Returns an error that names the expected form if an element is no address.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let addresses = Vec::<Address>::deserialize(deserializer)?;
    Ok(addresses.into_iter().map(|Address(address)| address).collect())
}
