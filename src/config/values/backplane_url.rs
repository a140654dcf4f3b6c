//! The address of a Redis or Valkey server.

use super::secret::{MASK, Secret};
use redis::{ConnectionInfo, IntoConnectionInfo, parse_redis_url};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// The keys that the address of a unix socket may have after `?`.
const OF_SOCKETS: [&str; 3] = ["db", "user", "pass"];

/// The address of a server, or an empty text for none. Its password is masked by `Debug`, `Display`
/// and `Serialize`.
#[derive(Clone, Default, PartialEq)]
pub struct BackplaneUrl(Secret);

/// The reason why a text is no address of a server.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BackplaneUrlError {
    /// Sentinel.
    #[error(
        "redis+sentinel:// is not supported yet: name the Redis server itself, such as \
         \"redis://127.0.0.1:6379\""
    )]
    Sentinel,
    /// Cluster.
    #[error(
        "redis+cluster:// is not supported yet: name a Redis server that is no part of a cluster, such as \
         \"redis://127.0.0.1:6379\""
    )]
    Cluster,
    /// A key after `?` or a fragment.
    #[error("nothing may follow the number of the database, but for db, user and pass of a unix socket")]
    Options,
    /// Anything else.
    #[error(
        "expected the address of a server such as \"redis://127.0.0.1:6379\", \"rediss://host:6379/0\" or \
         \"redis+unix:///run/redis.sock\"; a password with / or @ belongs into backplane.password"
    )]
    Malformed,
}

impl BackplaneUrl {
    /// Returns true if no server is named.
    pub fn is_empty(&self) -> bool {
        self.0.expose().is_empty()
    }

    /// Returns true if the address has a password.
    pub fn has_password(&self) -> bool {
        self.connection_info().is_some_and(|info| info.redis_settings().password().is_some())
    }

    /// Returns true for `rediss://`.
    pub fn is_encrypted(&self) -> bool {
        self.0.expose().starts_with("rediss://")
    }

    /// The parts that a client of the server needs; `None` if no server is named.
    pub fn connection_info(&self) -> Option<ConnectionInfo> {
        parse_redis_url(self.0.expose())?.into_connection_info().ok()
    }
}

impl FromStr for BackplaneUrl {
    type Err = BackplaneUrlError;

    fn from_str(text: &str) -> Result<Self, BackplaneUrlError> {
        use BackplaneUrlError::{Cluster, Malformed, Options, Sentinel};
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme.to_ascii_lowercase().as_str() {
            _ if text.is_empty() => return Ok(Self::default()),
            "redis+sentinel" | "rediss+sentinel" | "sentinel" => return Err(Sentinel),
            "redis+cluster" | "rediss+cluster" | "cluster" => return Err(Cluster),
            "redis" | "rediss" | "redis+unix" | "unix" => {}
            _ => return Err(Malformed),
        }
        let url = parse_redis_url(text).ok_or(Malformed)?;
        let is_known = |key: &str| scheme.ends_with("unix") && OF_SOCKETS.contains(&key);
        if url.fragment().is_some() || url.query_pairs().any(|(key, _)| !is_known(&key)) {
            return Err(Options);
        }
        let info = url.into_connection_info().map_err(|_| Malformed)?;
        match info.redis_settings().db() {
            0.. => Ok(Self(text.into())),
            _ => Err(Malformed),
        }
    }
}

/// The address with its password masked.
impl fmt::Display for BackplaneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(self.0.expose()))
    }
}

impl fmt::Debug for BackplaneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Masked: a setting that is shown is not read again.
impl Serialize for BackplaneUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BackplaneUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Masks the password of `redis://user:password@host`, up to the last `@`, because a password may
/// contain `@`; returns `None` if there is none.
pub fn without_password(url: &str) -> Option<String> {
    let user = url.find("://")? + "://".len();
    masked_before_host(url, user)
}

fn masked_before_host(url: &str, user: usize) -> Option<String> {
    let host = url.rfind('@').filter(|at| *at > user)?;
    let password = user + url[user..host].find(':')? + 1;
    Some(format!("{}{MASK}{}", &url[..password], &url[host..]))
}

/// Masks all that may be a password in an address, which need not be a correct one.
pub fn masked(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let user = address.find("://").map_or(0, |at| at + "://".len());
    let without_host = || {
        let rest = &address[user..];
        let colon = rest.find(':').filter(|_| !rest.starts_with('['))?;
        let port = rest[colon + 1..].split(['/', ',']).next().unwrap_or_default();
        let port = port.trim_end_matches(['"', '\'']); // of the quotes in a file
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        (!is_port).then(|| format!("{}{MASK}", &address[..=user + colon]))
    };
    // A password may contain `?`.
    let whole = query.filter(|query| query.contains('@')).and_then(|_| masked_before_host(url, user));
    if let Some(whole) = whole {
        return whole;
    }
    let address =
        masked_before_host(address, user).or_else(without_host).unwrap_or_else(|| address.to_owned());
    let Some(query) = query else { return address };
    let mask = |pair: &str| match pair.split_once('=') {
        Some((key, _)) if !["db", "user", "protocol"].contains(&key) => format!("{key}={MASK}"),
        _ => pair.to_owned(),
    };
    format!("{address}?{}", query.split('&').map(mask).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers_are_accepted() {
        for text in [
            "",
            "redis://127.0.0.1",
            "redis://[::1]:6379",
            "redis://user:p%40ss@redis.example:6380/3",
            "rediss://redis.example",
            "unix:///run/redis.sock",
            "redis+unix:///run/redis.sock?db=2&user=u&pass=p",
        ] {
            let url: BackplaneUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.connection_info().is_some(), !text.is_empty(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        use BackplaneUrlError::{Cluster, Malformed, Options, Sentinel};
        for (text, expected) in [
            ("redis+sentinel://a:1,b:2/main", Sentinel),
            ("redis+cluster://a:1", Cluster),
            ("127.0.0.1:6379", Malformed),
            ("http://127.0.0.1:6379", Malformed),
            ("redis://", Malformed),
            ("redis://host:65536", Malformed),
            ("redis://host/news", Malformed),
            ("redis://host/-1", Malformed),
            ("redis://0.0.0.0:1", Malformed),
            ("redis://host?protocol=resp2", Options),
            ("rediss://host#insecure", Options),
        ] {
            assert_eq!(text.parse::<BackplaneUrl>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        for text in ["redis://u:p@ss%40@host/1", "redis://:p@ss%40@host", "unix:///a.sock?pass=p@ss%40&db=1"]
        {
            let url = BackplaneUrl(text.into());
            assert!(!format!("{url} {url:?}").contains("p@ss"), "{url} {url:?}");
        }
        let shown = |text: &str| BackplaneUrl(text.into()).to_string();
        assert_eq!(shown("redis://u:p@s:s@host/0"), "redis://u:***@host/0");
        for text in [
            "redis+sentinel://a:1,b:2/main",
            "redis://[::1]:6379/0",
            "redis://a:6379/0",
            "rediss://a",
            "unix:///a.sock?db=1",
        ] {
            assert_eq!(shown(text), text);
        }
        for wrong in [
            "redis://:sesame",
            "u:sesame@host",
            "redis://u:a?sesame@host",
            "redis://a:sesame",
            "unix:/a?pass=sesame",
        ] {
            assert!(!shown(wrong).contains("sesame"), "{}", shown(wrong));
        }
    }
}
