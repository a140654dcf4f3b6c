//! The reasons why a server cannot be called, each with its remedy.

use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};

/// A server that was reached and cannot be used as it is set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Wrong user or password.
    #[error(
        "{address} refuses the user or the password ({code}): check backplane.user, backplane.password and \
         backplane.password_file"
    )]
    Credentials {
        /// The address of the server.
        address: String,
        /// The error code of the server.
        code: String,
    },
    /// The user may not do what the program needs.
    #[error(
        "the user of backplane.user may not do what worldcast needs ({detail}): allow it all commands but \
         dangerous ones, with INFO, for the keys and the channels that begin with backplane.prefix"
    )]
    NotPermitted {
        /// The explanation of the server.
        detail: String,
    },
    /// The database does not exist.
    #[error(
        "{address} has no such database: correct the number at the end of backplane.url, or raise `databases` \
         in the configuration of the server"
    )]
    Database {
        /// The address of the server.
        address: String,
    },
    /// The version is too old.
    #[error("{address} is Redis {version}, but worldcast needs 6.2 or later: upgrade it")]
    Version {
        /// The address of the server.
        address: String,
        /// The version, as the server writes it.
        version: String,
    },
    /// The server is a Sentinel or a part of a cluster.
    #[error("{address} is {what}, which is not supported yet: name a server of its own in backplane.url")]
    Mode {
        /// The address of the server.
        address: String,
        /// The kind of server, with its article.
        what: &'static str,
    },
    /// Another program uses the prefix.
    #[error(
        "another program uses keys that begin with {prefix:?}, such as {key:?}: choose another \
         backplane.prefix"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
        /// The first key that was found.
        key: String,
    },
    /// Another version of this program uses the prefix.
    #[error(
        "the keys that begin with {prefix:?} are of {found:?}, but this is {expected:?}: choose another \
         backplane.prefix for this version"
    )]
    Format {
        /// The prefix.
        prefix: String,
        /// The format that was found.
        found: String,
        /// The format of this version.
        expected: &'static str,
    },
    /// A file cannot be read, or has nothing of use.
    #[error("cannot read {path} ({key}): {cause}")]
    File {
        /// The path.
        path: String,
        /// The setting that names it.
        key: &'static str,
        /// The error of the system.
        cause: String,
    },
}

/// The reason why a server cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server was reached, and its set-up is wrong.
    #[error("{0}")]
    Setup(#[from] SetupError),
    /// No connection can be opened.
    #[error("cannot connect: {0}; check that the server runs, and backplane.url")]
    Unreachable(String),
    /// The certificate of the server is not trusted, or is none of it.
    #[error(
        "cannot trust the server: {0}; name the file with its authority in backplane.ca, and in \
         backplane.url the host that its certificate names"
    )]
    Untrusted(String),
    /// A call has no answer within `backplane.timeout`.
    #[error("no answer within backplane.timeout; check that the server is not overloaded or stopped")]
    NoAnswer,
    /// The connection has ended.
    #[error(
        "the connection has ended; if this repeats, check the log of the server and its \
         client-output-buffer-limit for pubsub"
    )]
    Closed,
    /// The server answers, but cannot do what it is asked.
    #[error("the server answers {answer:?}; {}", remedy(.answer))]
    State {
        /// The answer of the server: its code and the explanation.
        answer: String,
    },
    /// A probe did not come back.
    #[error("a probe that was published did not come back within 4 s; the connections are opened anew")]
    Probe,
    /// More was pushed than fits into the buffer.
    #[error(
        "more was published than backplane.push_buffer holds before it was handled; if this repeats, raise \
         it, or give this node more processor time"
    )]
    Overflow,
    /// An answer that cannot be understood.
    #[error("the server answers what worldcast does not expect: {0}")]
    Unexpected(String),
}

impl Failure {
    /// The failure of opening a connection to the server at `address`.
    pub fn of_connect(error: &RedisError, address: &str) -> Self {
        let address = || address.to_owned();
        let code = error.code().unwrap_or_default();
        let detail = error.detail().unwrap_or_default();
        match error.kind() {
            ErrorKind::AuthenticationFailed => {
                SetupError::Credentials { address: address(), code: "AUTH".to_owned() }.into()
            }
            ErrorKind::RESP3NotSupported => {
                SetupError::Version { address: address(), version: "5 or earlier".to_owned() }.into()
            }
            _ if ["WRONGPASS", "NOAUTH"].contains(&code) => {
                SetupError::Credentials { address: address(), code: code.to_owned() }.into()
            }
            _ if detail.contains("DB index") => SetupError::Database { address: address() }.into(),
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                SetupError::NotPermitted { detail: detail.to_owned() }.into()
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::State { answer: answer(code, detail) },
            _ if error.is_timeout() => Self::NoAnswer,
            _ if error.to_string().contains("certificate") => Self::Untrusted(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
    }

    /// The failure of a call.
    pub fn of_call(error: &RedisError) -> Self {
        match error.kind() {
            _ if error.is_timeout() => Self::NoAnswer,
            ErrorKind::Io => Self::Closed,
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::of_answer(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
            }
            _ => Self::Unexpected(error.to_string()),
        }
    }

    /// The failure that the server answers itself.
    pub fn of_error(error: &ServerError) -> Self {
        Self::of_answer(error.code(), error.details().unwrap_or_default())
    }

    fn of_answer(code: &str, detail: &str) -> Self {
        match code {
            "NOPERM" => SetupError::NotPermitted { detail: detail.to_owned() }.into(),
            _ => Self::State { answer: answer(code, detail) },
        }
    }
}

fn answer(code: &str, detail: &str) -> String {
    format!("{code} {detail}").trim_end().to_owned()
}

/// The remedy for an answer of the server.
fn remedy(answer: &str) -> &'static str {
    match answer.split(' ').next().unwrap_or_default() {
        "LOADING" => "it reads its data, and is ready soon",
        "READONLY" => "it is a replica: name the primary in backplane.url, or promote it",
        "MASTERDOWN" => "it is a replica that has lost its primary",
        "CLUSTERDOWN" | "MOVED" | "ASK" | "CROSSSLOT" => "clusters are not supported yet",
        "OOM" => "raise its maxmemory, or reduce [history]",
        "MISCONF" => "it cannot save its data: see its log",
        "NOREPLICAS" => "it has fewer replicas than its min-replicas-to-write",
        "WRONGTYPE" => "another program uses a key of worldcast: choose another backplane.prefix",
        "BUSY" => "a script of another program runs: end it with SCRIPT KILL",
        _ => "see its log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn every_reason_names_existing_keys() {
        let address = || "redis://a:1".to_owned();
        let text = || "x".to_owned();
        for reason in [
            Failure::from(SetupError::Credentials { address: address(), code: text() }),
            SetupError::NotPermitted { detail: text() }.into(),
            SetupError::Database { address: address() }.into(),
            SetupError::Mode { address: address(), what: "a Sentinel" }.into(),
            SetupError::Prefix { prefix: text(), key: text() }.into(),
            SetupError::Format { prefix: text(), found: text(), expected: "y" }.into(),
            Failure::Unreachable(text()),
            Failure::Untrusted(text()),
            Failure::NoAnswer,
            Failure::Overflow,
        ] {
            let reason = reason.to_string();
            for word in reason.split("backplane.").skip(1) {
                let key: String =
                    word.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
                assert!(DEFAULTS.contains(&format!("\n{key} = ")), "{key} in {reason}");
            }
        }
    }

    #[test]
    fn states_of_a_server_have_a_remedy() {
        let failure =
            Failure::State { answer: "READONLY You can't write against a read only replica.".into() };
        assert_eq!(
            failure.to_string(),
            "the server answers \"READONLY You can't write against a read only replica.\"; it is a replica: \
             name the primary in backplane.url, or promote it"
        );
    }
}
