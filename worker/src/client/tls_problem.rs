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

#[cfg(test)]
mod tests {
    use rustls::CertificateError as E;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    fn code(error: E) -> &'static str {
        TlsProblem::of(&rustls::Error::InvalidCertificate(error)).code().as_str()
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_code() {
        let (time, after) = (UnixTime::since_unix_epoch, std::time::Duration::from_secs);
        let (early, late) = (time(after(1)), time(after(2)));
        let expected = ServerName::try_from("hooks.example.com").unwrap();
        for (error, expected) in [
            (E::Expired, "certificate_expired"),
            (E::ExpiredContext { time: late, not_after: early }, "certificate_expired"),
            (E::NotValidYet, "certificate_not_yet_valid"),
            (E::NotValidYetContext { time: early, not_before: late }, "certificate_not_yet_valid"),
            (E::NotValidForName, "certificate_wrong_name"),
            (E::NotValidForNameContext { expected, presented: vec![] }, "certificate_wrong_name"),
            (E::UnknownIssuer, "certificate_untrusted"),
            (E::Revoked, "certificate_revoked"),
            (E::BadEncoding, "certificate_invalid"),
            (E::BadSignature, "certificate_invalid"),
            (E::InvalidPurpose, "certificate_invalid"),
            (E::UnhandledCriticalExtension, "certificate_invalid"),
            (E::UnknownRevocationStatus, "certificate_invalid"),
            (E::ExpiredRevocationList, "certificate_invalid"),
            (E::ApplicationVerificationFailure, "certificate_invalid"),
        ] {
            assert_eq!(code(error.clone()), expected, "{error:?}");
        }
    }

    #[test]
    fn only_what_a_server_says_of_a_certificate_is_said_of_ours() {
        use AlertDescription as A;
        let code = |alert| TlsProblem::of(&rustls::Error::AlertReceived(alert)).code().as_str();
        for alert in [
            A::CertificateRequired,
            A::BadCertificate,
            A::UnsupportedCertificate,
            A::CertificateRevoked,
            A::CertificateExpired,
            A::CertificateUnknown,
            A::UnknownCA,
            A::AccessDenied,
        ] {
            assert_eq!(code(alert), "client_certificate_refused", "{alert:?}");
        }
        for alert in [A::HandshakeFailure, A::ProtocolVersion, A::InternalError, A::DecodeError] {
            assert_eq!(code(alert), "tls_failed", "{alert:?}");
        }
        let other = rustls::Error::NoCertificatesPresented;
        assert_eq!(TlsProblem::of(&other).code().as_str(), "tls_failed");
    }
}
