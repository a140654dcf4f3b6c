//! TLS of `wss://`: the authorities that are trusted, and the remedy for a certificate that is not.

use super::{Failure, escape::escaped};
use rustls::{
    CertificateError, ClientConfig, InvalidMessage, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_tungstenite::{
    Connector,
    tungstenite::{Error, error::ProtocolError},
};

/// The authorities whose certificates are accepted; cheap to clone.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    /// The file that names the authorities, instead of those of the system.
    ca: Option<PathBuf>,
}

impl Trust {
    /// Trusts the authorities in the file `ca` and no others, or else those of the system.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the file has no certificates, [`Failure::NoAuthorities`] if the system
    /// has none.
    pub fn load(ca: Option<PathBuf>) -> Result<Self, Failure> {
        let roots = match &ca {
            Some(file) => {
                roots_in(file).map_err(|why| Failure::Usage(format!("--ca {}: {why}", file.display())))?
            }
            None => system_roots()?,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // As browsers offer for a WebSocket (RFC 7301).
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca })
    }

    /// The connector of one attempt.
    pub fn connector(&self) -> Connector {
        Connector::Rustls(self.config.clone())
    }

    /// The reason and the remedy, if `error` means that the certificate of the server is not
    /// trusted.
    pub fn distrust(&self, error: &Error) -> Option<String> {
        let Some(rustls::Error::InvalidCertificate(error)) = tls_error(error) else { return None };
        Some(match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => match &self.ca {
                Some(file) => format!("no authority in {} (--ca) has issued its certificate", file.display()),
                None => "no authority that this machine trusts has issued its certificate; for a private one, \
                         name a file with the authority's certificate: --ca FILE"
                    .to_owned(),
            },
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it, or check the clock of this machine".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; check the clock of this machine".to_owned()
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                "its certificate names no host (subjectAltName); issue one that does".to_owned()
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<_> = presented.iter().map(|name| presented_name(name)).collect();
                let names = escaped(&names.join(", "), &[]);
                format!("its certificate is not for this name; connect by one that it is for: {names}")
            }
            other if other.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is one of an authority (CA:TRUE), which a server must not show; issue one for the \
                 server, and name the authority's with --ca FILE"
                    .to_owned()
            }
            other => format!("its certificate is not accepted: {}", escaped(&other.to_string(), &[])),
        })
    }
}

/// The sentence for people about an attempt or a connection that failed with `error`.
pub fn sentence_of(error: &Error) -> String {
    match (tls_error(error), error) {
        (Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), _) => {
            "TLS is not spoken there; for a port without it, write ws:// instead of wss://".to_owned()
        }
        (_, Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))) => {
            "it is no worldcast server: it does not speak worldcast.v1".to_owned()
        }
        (_, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            "the connection was cut".to_owned()
        }
        _ => escaped(&error.to_string(), &[]),
    }
}

fn tls_error(error: &Error) -> Option<&rustls::Error> {
    let Error::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref()
}

/// `localhost` of `DnsName("localhost")`, and `::1` of `IpAddress(::1)`, as rustls lists names.
fn presented_name(listed: &str) -> &str {
    let name = listed.split_once('(').and_then(|(_, name)| name.strip_suffix(')'));
    name.map_or(listed, |name| name.trim_matches('"'))
}

fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        let added =
            certificate.map_err(|error| error.to_string()).map(|certificate| roots.add(certificate))?;
        added.map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("there is no certificate in it (in PEM, it begins with BEGIN CERTIFICATE)".to_owned()),
        false => Ok(roots),
    }
}

fn system_roots() -> Result<RootCertStore, Failure> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    match roots.is_empty() {
        true => {
            let why = loaded.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
            Err(Failure::NoAuthorities(why))
        }
        false => Ok(roots),
    }
}
