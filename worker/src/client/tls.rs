//! What TLS trusts and what it shows of itself.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use rustls_platform_verifier::Verifier;
use shared::settings::Value;
use shared::webhook::identity::ClientIdentity;
use tokio_rustls::TlsConnector;

use super::Fault;

/// The protocols that are offered, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificates that are trusted beside the system's.
#[derive(Clone, Debug, Default)]
pub struct Roots(pub Vec<CertificateDer<'static>>);

/// The path of a file of PEM certificates.
impl Value for Roots {
    fn parse(path: &str) -> Result<Self, String> {
        let roots = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| {
                format!("write the path of certificates in PEM, such as /etc/ssl/own.pem; {error}")
            })?;
        if roots.is_empty() {
            return Err("holds no certificate".into());
        }
        Ok(Self(roots))
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    anonymous: TlsConnector,
}

impl Tls {
    /// Trusts what the system trusts, and `extra` roots.
    pub(super) fn new(
        extra: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))?;
        Self::trusting(provider, Arc::new(verifier))
    }

    pub(super) fn trusting(
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, rustls::Error> {
        let config = builder(&provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        Ok(Self { provider, verifier, anonymous: connector(config) })
    }

    /// Shows the client certificate, if there is one.
    pub(super) fn connector(
        &self,
        identity: Option<&ClientIdentity>,
    ) -> Result<TlsConnector, Fault> {
        let Some(identity) = identity else { return Ok(self.anonymous.clone()) };
        let config = || {
            let (chain, key) = identity.parts()?;
            builder(&self.provider)
                .ok()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&self.verifier))
                .with_client_auth_cert(chain, key)
                .ok()
        };
        config().map(connector).ok_or(Fault::RequestFailed)
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()
}

fn connector(mut config: ClientConfig) -> TlsConnector {
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    TlsConnector::from(Arc::new(config))
}
