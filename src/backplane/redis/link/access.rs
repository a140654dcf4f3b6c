//! From settings to a client of the server.

use super::failure::{Failure, SetupError};
use crate::config::{BackplaneSettings, Secret};
use redis::{Client, ProtocolVersion, TlsCertificates};
use std::{fs, path::Path};

/// Returns a client of the server in `settings`. The file with the password is read each time,
/// because passwords are changed while programs run.
///
/// # Errors
/// [`SetupError::File`] if the password or the certificates cannot be read.
pub fn client(settings: &BackplaneSettings) -> Result<Client, Failure> {
    let Some(info) = settings.url.connection_info() else {
        return Err(Failure::Unreachable("backplane.url is empty".to_owned())); // refused by `check`
    };
    let mut redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    redis = redis.set_lib_name("worldcast", env!("CARGO_PKG_VERSION"));
    if !settings.user.is_empty() {
        redis = redis.set_username(&settings.user);
    }
    if let Some(password) = password(settings)? {
        redis = redis.set_password(password.expose());
    }
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.clone().set_redis_settings(redis).set_tcp_settings(tcp);
    let client = match settings.ca.as_os_str().is_empty() {
        true => Client::open(info),
        false => {
            let root_cert = Some(read(&settings.ca, "backplane.ca")?);
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
        }
    };
    client.map_err(|error| Failure::of_connect(&error, &settings.url.to_string()))
}

/// The password beside the url; `None` if there is none.
fn password(settings: &BackplaneSettings) -> Result<Option<Secret>, SetupError> {
    if !settings.password.expose().is_empty() {
        return Ok(Some(settings.password.clone()));
    }
    if settings.password_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let bytes = read(&settings.password_file, "backplane.password_file")?;
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().unwrap_or_default() {
        "" => Err(SetupError::File {
            path: settings.password_file.display().to_string(),
            key: "backplane.password_file",
            cause: "its first line is empty".to_owned(),
        }),
        line => Ok(Some(line.into())),
    }
}

fn read(path: &Path, key: &'static str) -> Result<Vec<u8>, SetupError> {
    fs::read(path).map_err(|cause| SetupError::File {
        path: path.display().to_string(),
        key,
        cause: cause.to_string(),
    })
}
