//! The first words with a server: what it is, whose keys it has, what all nodes share.

use super::{
    access,
    connection::{Connection, Parts, read},
    failure::{Failure, SetupError},
    pushes::Pushes,
};
use crate::{
    backplane::redis::entry::NodeId,
    config::{BackplaneSettings, Secret},
    metrics::Metrics,
    protocol::SessionTokens,
};
use redis::{AsyncConnectionConfig, Client, Pipeline, Value, aio::MultiplexedConnection};
use std::{
    cell::RefCell,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// The value of the key `PREFIXformat`: a change of the keys or of their contents changes it.
pub const FORMAT: &str = "worldcast 1";

/// The oldest version that is supported.
const MIN_VERSION: (u32, u32) = (6, 2);

/// The first version with sharded channels.
const SHARDED_SINCE: (u32, u32) = (7, 0);

/// The greatest difference between the clocks of a node and a server, inclusive.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// Keys that one SCAN looks at.
const SCANNED_AT_ONCE: usize = 1000;

/// Keys of a backplane, after the prefix.
const OURS: [&str; 4] = ["format", "secret", "nodes", "{w"];

/// One attempt to connect.
pub struct Contact<'a> {
    pub settings: &'a BackplaneSettings,
    pub node: NodeId,
    pub metrics: &'a Arc<Metrics>,
    /// The tokens that take the shared secret, and that secret, empty until it is known; `None` if
    /// one is configured.
    pub tokens: Option<(&'a SessionTokens, &'a RefCell<Secret>)>,
    /// True until a connect has succeeded.
    pub is_first: bool,
    /// True if shard channels are not used even where the server has them.
    pub avoids_shards: bool,
}

/// The facts that a server states about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerFacts {
    name: &'static str,
    version: String,
    is_sharded: bool,
    /// The policy by which it evicts keys, if it does.
    evicts: Option<String>,
    /// The seconds by which its clock is ahead of (positive) or behind ours, if too much.
    clock_difference: Option<f64>,
}

impl Contact<'_> {
    /// Opens both connections, and checks the server.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be called, or must not be.
    pub async fn make(&self, pushes: &Pushes) -> Result<(Connection, ServerFacts), Failure> {
        let client = access::client(self.settings)?;
        let calls = self.open(&client, pushes).await?;
        let facts = self.ask_facts(calls.clone()).await?;
        let facts = ServerFacts { is_sharded: facts.is_sharded && !self.avoids_shards, ..facts };
        self.claim_prefix(calls.clone()).await?;
        self.share_secret(calls.clone()).await?;
        let subscriber = self.open(&client, pushes).await?;
        let connection = Connection::new(Parts {
            calls,
            subscriber,
            settings: self.settings,
            node: self.node,
            is_sharded: facts.is_sharded,
            metrics: self.metrics.clone(),
        });
        connection.load_scripts().await?;
        connection.subscribe_probe().await?;
        Ok((connection, facts))
    }

    async fn open(&self, client: &Client, pushes: &Pushes) -> Result<MultiplexedConnection, Failure> {
        let within = Some(self.settings.timeout);
        let config = AsyncConnectionConfig::new().set_connection_timeout(within);
        let config = config.set_response_timeout(within).set_push_sender(pushes.sender());
        let opened = client.get_multiplexed_async_connection_with_config(&config).await;
        opened.map_err(|error| Failure::of_connect(&error, &self.address()))
    }

    async fn ask_facts(&self, calls: MultiplexedConnection) -> Result<ServerFacts, Failure> {
        let mut questions = Pipeline::new();
        questions.cmd("INFO").arg("server").cmd("INFO").arg("memory").cmd("TIME");
        questions.cmd("CLIENT").arg("SETNAME").arg(format!("worldcast-{}", self.node));
        let (asked, began) = (SystemTime::now(), Instant::now());
        let answers = self.ask(calls, &questions, 4).await?;
        let round_trip = began.elapsed();
        let [server, memory, time, _] = <[Value; 4]>::try_from(answers).unwrap_or_default();
        let (seconds, microseconds): (u64, u32) = read(time)?;
        let theirs = Duration::new(seconds, microseconds.saturating_mul(1000) % 1_000_000_000);
        let ours = asked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + round_trip / 2;
        let difference = theirs.as_secs_f64() - ours.as_secs_f64();
        let tolerated = (MAX_CLOCK_DIFFERENCE + round_trip / 2).as_secs_f64();
        let clock_difference = (difference.abs() > tolerated).then_some(difference);
        let (server, memory): (String, String) = (read(server)?, read(memory)?);
        self.judge(&server, &memory, clock_difference).map_err(Failure::Setup)
    }

    /// Reads the sections `server` and `memory` of INFO.
    fn judge(
        &self,
        server: &str,
        memory: &str,
        clock_difference: Option<f64>,
    ) -> Result<ServerFacts, SetupError> {
        let what = match field(server, "redis_mode") {
            Some("cluster") => Some("part of a cluster"),
            Some("sentinel") => Some("a Sentinel"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(SetupError::Mode { address: self.address(), what });
        }
        let redis = field(server, "redis_version").unwrap_or("of an unknown version");
        let number = numbers(redis);
        if number < MIN_VERSION {
            return Err(SetupError::Version { address: self.address(), version: redis.to_owned() });
        }
        let valkey = field(server, "valkey_version");
        let evicts = field(memory, "maxmemory_policy").filter(|policy| *policy != "noeviction");
        Ok(ServerFacts {
            name: if valkey.is_some() { "Valkey" } else { "Redis" },
            version: valkey.unwrap_or(redis).to_owned(),
            is_sharded: number >= SHARDED_SINCE,
            evicts: evicts.map(str::to_owned),
            clock_difference,
        })
    }

    /// Marks the prefix as ours, unless it is another program's.
    async fn claim_prefix(&self, calls: MultiplexedConnection) -> Result<(), Failure> {
        let key = self.key("format");
        let mut look = Pipeline::new();
        look.cmd("GET").arg(&key);
        let is_marked = !matches!(self.ask(calls.clone(), &look, 1).await?.as_slice(), [Value::Nil]);
        if !is_marked && self.is_first {
            self.look_for_other_keys(calls.clone()).await?;
        }
        let mut mark = Pipeline::new();
        mark.cmd("SET").arg(&key).arg(FORMAT).arg("NX").cmd("GET").arg(&key);
        let found: String = match self.ask(calls, &mark, 2).await?.pop() {
            Some(value) => read(value)?,
            None => String::new(),
        };
        match found.as_str() {
            FORMAT => Ok(()),
            _ if found.starts_with("worldcast ") => {
                Err(SetupError::Format { prefix: self.settings.prefix.clone(), found, expected: FORMAT }
                    .into())
            }
            _ => Err(self.used_by_another(key)),
        }
    }

    /// Fails if a key begins with the prefix that is none of ours. It looks for `backplane.timeout`
    /// at most; a database that takes longer counts as free of them.
    async fn look_for_other_keys(&self, calls: MultiplexedConnection) -> Result<(), Failure> {
        let prefix = self.settings.prefix.as_bytes();
        let (began, mut cursor) = (Instant::now(), "0".to_owned());
        while began.elapsed() < self.settings.timeout {
            let mut scan = Pipeline::new();
            let pattern = format!("{}*", escaped(&self.settings.prefix));
            scan.cmd("SCAN").arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCANNED_AT_ONCE);
            let Some(answer) = self.ask(calls.clone(), &scan, 1).await?.pop() else { break };
            let (next, keys): (String, Vec<Vec<u8>>) = read(answer)?;
            let is_ours = |key: &[u8]| {
                key.strip_prefix(prefix)
                    .is_none_or(|rest| OURS.iter().any(|name| rest.starts_with(name.as_bytes())))
            };
            if let Some(other) = keys.into_iter().find(|key| !is_ours(key)) {
                return Err(self.used_by_another(String::from_utf8_lossy(&other).into_owned()));
            }
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        Ok(())
    }

    fn used_by_another(&self, key: String) -> Failure {
        SetupError::Prefix { prefix: self.settings.prefix.clone(), key }.into()
    }

    /// Agrees with the other nodes on the secret of session tokens: the first one offers one.
    async fn share_secret(&self, calls: MultiplexedConnection) -> Result<(), Failure> {
        let Some((tokens, shared)) = self.tokens else { return Ok(()) };
        let offer = match shared.borrow().expose() {
            "" => random_secret(),
            known => known.into(),
        };
        let key = self.key("secret");
        let mut agree = Pipeline::new();
        agree.cmd("SET").arg(&key).arg(offer.expose()).arg("NX");
        agree.cmd("GET").arg(&key);
        if let Some(secret) = self.ask(calls, &agree, 2).await?.pop() {
            let secret: String = read(secret)?;
            tokens.share(secret.as_bytes());
            shared.replace(secret.as_str().into());
        }
        Ok(())
    }

    async fn ask(
        &self,
        mut calls: MultiplexedConnection,
        questions: &Pipeline,
        count: usize,
    ) -> Result<Vec<Value>, Failure> {
        let answers = calls.send_packed_commands(questions, 0, count).await;
        let answers = answers.map_err(|error| Failure::of_connect(&error, &self.address()))?;
        let error = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error.clone()),
            _ => None,
        });
        match error {
            Some(error) if error.code() == "WRONGTYPE" => Err(self.used_by_another(self.key("format"))),
            Some(error) => Err(Failure::of_connect(&error.into(), &self.address())),
            None => Ok(answers),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.settings.prefix)
    }

    fn address(&self) -> String {
        self.settings.url.to_string()
    }
}

impl ServerFacts {
    /// The warnings for an operator, each with its remedy.
    pub fn warnings(&self) -> Vec<String> {
        let evicts = self.evicts.as_ref().map(|policy| {
            format!(
                "its maxmemory-policy is {policy}: when its memory is full, histories vanish; set it to noeviction"
            )
        });
        let clock = self.clock_difference.map(|seconds| {
            let (by, direction) = (seconds.abs(), if seconds > 0.0 { "ahead of" } else { "behind" });
            format!(
                "its clock is {by:.0} s {direction} that of this node: messages are forgotten too early or too \
                 late (history.age); let both machines set their clocks by NTP"
            )
        });
        evicts.into_iter().chain(clock).collect()
    }
}

impl fmt::Display for ServerFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = if self.is_sharded { "sharded" } else { "plain" };
        write!(f, "{} {}, {channels} channels", self.name, self.version)
    }
}

/// 256 random bits, in hexadecimal digits.
fn random_secret() -> Secret {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("the kernel gives random bytes");
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.as_str().into()
}

/// The value of a field of INFO.
fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// The first two numbers of a version.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// The prefix as a pattern of SCAN that matches itself.
fn escaped(prefix: &str) -> String {
    let escape = |letter: char| {
        let special = matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\' | '-');
        special.then_some('\\').into_iter().chain([letter])
    };
    prefix.chars().flat_map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(server: &str, memory: &str) -> Result<ServerFacts, SetupError> {
        let settings = BackplaneSettings { url: "redis://a:1".parse().unwrap(), ..Default::default() };
        let metrics = Arc::default();
        let contact = Contact {
            settings: &settings,
            node: NodeId(1),
            metrics: &metrics,
            tokens: None,
            is_first: true,
            avoids_shards: false,
        };
        contact.judge(&server.replace(' ', "\r\n"), &memory.replace(' ', "\r\n"), None)
    }

    #[test]
    fn servers_are_told_apart_by_what_they_say() {
        let of = |server| judged(server, "maxmemory_policy:noeviction").map(|facts| facts.to_string());
        assert_eq!(
            of("redis_version:7.0.15 redis_mode:standalone").unwrap(),
            "Redis 7.0.15, sharded channels"
        );
        assert_eq!(of("redis_version:6.2.0 redis_mode:standalone").unwrap(), "Redis 6.2.0, plain channels");
        assert_eq!(
            of("redis_version:7.2.4 server_name:valkey valkey_version:8.1.0").unwrap(),
            "Valkey 8.1.0, sharded channels"
        );
        for (server, expected) in [
            ("redis_version:6.0.16", "is Redis 6.0.16, but worldcast needs 6.2 or later"),
            ("redis_version:7.0.15 redis_mode:cluster", "is part of a cluster, which is not supported yet"),
            ("redis_version:7.0.15 redis_mode:sentinel", "is a Sentinel, which is not supported yet"),
            ("", "is Redis of an unknown version"),
        ] {
            let error = of(server).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn eviction_and_clocks_that_differ_are_warned_of() {
        let sound = judged("redis_version:7.0.15", "maxmemory:0 maxmemory_policy:noeviction").unwrap();
        assert_eq!(sound.warnings(), [""; 0]);
        let evicts = judged("redis_version:7.0.15", "maxmemory_policy:allkeys-lru").unwrap();
        assert!(evicts.warnings()[0].starts_with("its maxmemory-policy is allkeys-lru: "));
        let late = ServerFacts { clock_difference: Some(-7.2), ..sound };
        assert!(late.warnings()[0].starts_with("its clock is 7 s behind that of this node: "));
    }

    #[test]
    fn a_prefix_is_searched_as_it_is() {
        assert_eq!(escaped("a*[b]?:"), "a\\*\\[b\\]\\?:");
    }
}
