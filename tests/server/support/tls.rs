//! TLS in front of a server, as a proxy ends it, with certificates that are made for one test.

use super::proxy::{listen, pass_on};
use actix_web::rt::spawn;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::{cell::Cell, io::Write, net::SocketAddr, path::Path, rc::Rc, sync::Arc};
use tempfile::NamedTempFile;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// An authority that issues certificates, and the file that names it to those who trust it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// The difference between a certificate and a flawless one for localhost, 127.0.0.1 and [::1].
#[derive(Clone, Copy, PartialEq)]
pub enum Flaw {
    None,
    Expired,
    NotYetValid,
    OtherName,
    NoName,
    /// It is the certificate of the authority itself, as `openssl req -x509` makes them.
    OfAuthority,
}

/// Takes connections over TLS and passes what is in them on to a server.
pub struct TlsProxy {
    pub address: SocketAddr,
    /// Connections whose client has accepted the certificate.
    trusted: Rc<Cell<usize>>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(names()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a certificate");
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(issuer.pem().as_bytes()).expect("it takes a certificate");
        Self { issuer, file }
    }

    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// A server's side of TLS, with a certificate of this authority.
    fn acceptor(&self, flaw: Flaw) -> TlsAcceptor {
        let key = key();
        let mut params = CertificateParams::new(names()).expect("names");
        match flaw {
            Flaw::None | Flaw::OfAuthority => {}
            Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Flaw::NotYetValid => params.not_before = date_time_ymd(3000, 1, 1),
            Flaw::OtherName => {
                params = CertificateParams::new(vec!["chat.example".to_owned()]).expect("a name")
            }
            Flaw::NoName => params = CertificateParams::default(),
        }
        let (certificate, key) = match flaw {
            Flaw::OfAuthority => (self.issuer.der().clone(), self.issuer.key().serialize_der()),
            _ => (
                params.signed_by(&key, &self.issuer).expect("a certificate").der().clone(),
                key.serialize_der(),
            ),
        };
        let key = PrivateKeyDer::try_from(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        TlsAcceptor::from(Arc::new(config))
    }
}

impl TlsProxy {
    pub async fn start(server: SocketAddr, authority: &Authority, flaw: Flaw) -> Self {
        let (listener, address) = listen().await;
        let (acceptor, trusted) = (authority.acceptor(flaw), Rc::<Cell<usize>>::default());
        let count = trusted.clone();
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                spawn(async move {
                    let Ok(client) = acceptor.accept(client).await else { return };
                    count.set(count.get() + 1);
                    pass_on(client, server).await;
                });
            }
        });
        Self { address, trusted }
    }

    /// The number of connections whose client has accepted the certificate.
    pub fn trusted(&self) -> usize {
        self.trusted.get()
    }
}

fn names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
