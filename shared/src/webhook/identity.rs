//! A webhook's client certificate, for receivers that ask who calls (mutual TLS). The key is sealed at rest and never
//! shown; of the certificate subject, fingerprint and expiry are.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock;
use crate::seal::{Keyring, Unopened};
use crate::secret::Secret;
use crate::webhook::Owner;

/// Characters of a chain of certificates, or of a key, at most.
pub const LONGEST: usize = 16 * 1024;

/// A chain of certificates and its key, as PEM.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    pem: Secret<String>,
    digest: [u8; 32],
}

/// What is shown of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSummary {
    /// Whose it is, as RFC 4514 writes names.
    pub subject: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
    /// The end of its last day.
    #[serde(serialize_with = "clock::serialize")]
    pub expires_at: DateTime<Utc>,
}

/// What is wrong with a certificate or its key; displays as the message of a field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentity {
    /// No certificate.
    #[error("Must be one or more certificates as PEM, the client's own first")]
    Certificate,
    /// No key.
    #[error("Must be one private key as PEM, not encrypted")]
    Key,
    /// Of another certificate.
    #[error("Is not the key of the certificate")]
    Pair,
}

impl ClientIdentity {
    /// Of a chain and its key.
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn new(
        certificate: &str,
        private_key: &str,
    ) -> Result<(Self, CertificateSummary), BadIdentity> {
        let chain = chain(certificate).ok_or(BadIdentity::Certificate)?;
        let summary = chain.first().and_then(summary).ok_or(BadIdentity::Certificate)?;
        let key = key(private_key).ok_or(BadIdentity::Key)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => BadIdentity::Pair,
            _ => BadIdentity::Key,
        })?;
        Ok((Self::of(format!("{}\n{}\n", certificate.trim(), private_key.trim())), summary))
    }

    fn of(pem: String) -> Self {
        let digest = Sha256::digest(pem.as_bytes()).into();
        Self { pem: Secret::new(pem), digest }
    }

    /// Tells one from another.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The chain and its key, as TLS takes them.
    #[must_use]
    pub fn parts(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        Some((chain(self.pem.expose())?, key(self.pem.expose())?))
    }

    /// Seals it for its webhook.
    ///
    /// # Errors
    /// As [`Keyring::seal`].
    pub fn seal(&self, keys: &Keyring, owner: Owner) -> Result<Vec<u8>, Unopened> {
        keys.seal(self.pem.expose().as_bytes(), &owner.aad("client_certificate"))
    }

    /// Opens what [`ClientIdentity::seal`] sealed.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn open(sealed: &[u8], keys: &Keyring, owner: Owner) -> Result<Self, Unopened> {
        let plain = keys.open(sealed, &owner.aad("client_certificate"))?;
        let pem = std::str::from_utf8(plain.expose()).map_err(|_| Unopened)?;
        Ok(Self::of(pem.to_owned()))
    }
}

fn chain(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    chain.ok().filter(|chain| !chain.is_empty())
}

fn key(pem: &str) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()
}

fn summary(certificate: &CertificateDer<'static>) -> Option<CertificateSummary> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let digest: [u8; 32] = Sha256::digest(certificate).into();
    let fingerprint = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Some(CertificateSummary {
        subject: parsed.subject().to_string(),
        fingerprint,
        expires_at: DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)?,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made() -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "liaison");
        params.not_after = date_time_ymd(2030, 1, 2);
        (params.self_signed(&key).unwrap().pem(), key)
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_summed_up() {
        let (certificate, key) = made();
        let (identity, summary) = ClientIdentity::new(&certificate, &key.serialize_pem()).unwrap();
        assert!(summary.subject.contains("CN=liaison"), "{}", summary.subject);
        assert_eq!(summary.fingerprint.len(), 64);
        assert_eq!(clock::rfc3339(summary.expires_at), "2030-01-02T00:00:00.000Z");
        assert_eq!(identity.parts().unwrap().0.len(), 1);
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_pair_of_certificate_and_key_is_refused() {
        let ((certificate, key), (_, other)) = (made(), made());
        let refused =
            |certificate: &str, key: &str| ClientIdentity::new(certificate, key).unwrap_err();
        assert_eq!(refused("hello", &key.serialize_pem()), BadIdentity::Certificate);
        assert_eq!(refused(&key.serialize_pem(), &certificate), BadIdentity::Certificate);
        assert_eq!(refused(&certificate, &certificate), BadIdentity::Key);
        assert_eq!(refused(&certificate, &other.serialize_pem()), BadIdentity::Pair);
        let encrypted = key.serialize_pem().replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert_eq!(refused(&certificate, &encrypted), BadIdentity::Key);
    }
}
