//! What can be wrong with a receiver's TLS.

use rustls::AlertDescription;
use shared::webhook::code::ErrorCode;

/// What is wrong with a receiver's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// After its last day.
    #[error("the certificate has expired")]
    Expired,
    /// Before its first day.
    #[error("the certificate is not valid yet")]
    NotValidYet,
    /// Made for other names.
    #[error("the certificate is for another name")]
    WrongName,
    /// Self-signed, or a chain that is private or incomplete.
    #[error("the certificate is not signed by a trusted authority, or its chain is incomplete")]
    UnknownIssuer,
    /// Withdrawn by its issuer.
    #[error("the certificate has been revoked")]
    Revoked,
    /// Any other fault of a certificate.
    #[error("the certificate is not acceptable")]
    Certificate,
    /// The server wants a client certificate, or another one.
    #[error("the server refuses our client certificate, or asks for one")]
    ClientCertificate,
    /// No TLS at all on this port, an old version, or a connection closed half-way.
    #[error("the server does not speak TLS 1.2 or 1.3 on this port")]
    Handshake,
}

impl TlsProblem {
    pub(super) fn of(error: &rustls::Error) -> Self {
        use rustls::CertificateError as E;
        let error = match error {
            rustls::Error::InvalidCertificate(error) => error,
            rustls::Error::AlertReceived(alert) => return Self::told(*alert),
            _ => return Self::Handshake,
        };
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotValidYet,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Revoked => Self::Revoked,
            _ => Self::Certificate,
        }
    }

    /// What a server says of what it was shown.
    fn told(alert: AlertDescription) -> Self {
        use AlertDescription as A;
        match alert {
            A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied => Self::ClientCertificate,
            _ => Self::Handshake,
        }
    }

    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::CertificateExpired,
            Self::NotValidYet => ErrorCode::CertificateNotYetValid,
            Self::WrongName => ErrorCode::CertificateWrongName,
            Self::UnknownIssuer => ErrorCode::CertificateUntrusted,
            Self::Revoked => ErrorCode::CertificateRevoked,
            Self::Certificate => ErrorCode::CertificateInvalid,
            Self::ClientCertificate => ErrorCode::ClientCertificateRefused,
            Self::Handshake => ErrorCode::TlsFailed,
        }
    }
}
