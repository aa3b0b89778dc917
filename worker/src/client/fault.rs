//! Why a request brought no status back.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::AlertDescription;
use shared::webhook::code::ErrorCode;
use shared::webhook::target::TargetError;

use super::proxy::ProxyProblem;

/// Why a request brought no status back. The text is shown to the tenant, so it never names an
/// address; the code is of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The policy refuses the URL at the time of sending.
    #[error("The URL is not allowed: {0}")]
    UrlBlocked(TargetError),
    /// The policy refuses an address of the host name.
    #[error("The host name resolves to a private or reserved address")]
    AddressBlocked,
    /// No answer from DNS, or an empty one.
    #[error("The host name could not be resolved")]
    DnsFailed,
    /// Refused or unreachable.
    #[error("The connection was refused or the host is unreachable")]
    ConnectFailed,
    /// Not connected within `Limits::connect`.
    #[error("No connection could be made in time")]
    ConnectTimeout,
    /// The operator's proxy.
    #[error("The proxy on our side failed: {0}")]
    ProxyFailed(ProxyProblem),
    /// No TLS session.
    #[error("The TLS handshake failed: {0}")]
    TlsFailed(TlsProblem),
    /// No head of an answer within `Limits::total`.
    #[error("No answer arrived in time")]
    Timeout,
    /// Closed or reset before the head of an answer was complete.
    #[error("The connection was closed before an answer arrived")]
    ConnectionReset,
    /// Not HTTP.
    #[error("The answer is not valid HTTP")]
    InvalidResponse,
    /// More than 100 headers or 64 KiB.
    #[error("The headers of the answer are too large")]
    HeadersTooLarge,
    /// Anything else, on this side.
    #[error("The request could not be sent")]
    RequestFailed,
}

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

impl Fault {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UrlBlocked(_) => ErrorCode::UrlBlocked,
            Self::AddressBlocked => ErrorCode::AddressBlocked,
            Self::DnsFailed => ErrorCode::DnsFailed,
            Self::ConnectFailed => ErrorCode::ConnectFailed,
            Self::ConnectTimeout => ErrorCode::ConnectTimeout,
            Self::ProxyFailed(_) => ErrorCode::ProxyFailed,
            Self::TlsFailed(problem) => problem.code(),
            Self::Timeout => ErrorCode::Timeout,
            Self::ConnectionReset => ErrorCode::ConnectionReset,
            Self::InvalidResponse => ErrorCode::InvalidResponse,
            Self::HeadersTooLarge => ErrorCode::HeadersTooLarge,
            Self::RequestFailed => ErrorCode::RequestFailed,
        }
    }

    /// Of a TCP connection that was not made.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::ConnectTimeout,
            _ => Self::ConnectFailed,
        }
    }

    /// Of a handshake: TCP is up by then.
    pub(super) fn of_tls(error: &io::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::TlsFailed(TlsProblem::of(tls)),
            None => Self::TlsFailed(TlsProblem::Handshake),
        }
    }

    /// Of a request on a connection that was made.
    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        // In TLS 1.3 a server looks at the client's certificate after the handshake has ended here.
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::TlsFailed(TlsProblem::of(tls));
        }
        if let Some(h2) = find::<h2::Error>(error) {
            let theirs = h2.is_io() || h2.is_remote();
            return if theirs { Self::ConnectionReset } else { Self::InvalidResponse };
        }
        // The innermost: a cancelled request wraps the reason why its connection is gone.
        match chain(error).filter_map(|error| error.downcast_ref::<hyper::Error>()).last() {
            None => Self::RequestFailed,
            Some(hyper) if hyper.is_user() => Self::RequestFailed,
            Some(hyper) if hyper.is_timeout() => Self::Timeout,
            Some(hyper) if hyper.is_parse_too_large() => Self::HeadersTooLarge,
            Some(hyper) if closed(hyper) => Self::ConnectionReset,
            // Not parsable, or bytes before any request was made.
            Some(_) => Self::InvalidResponse,
        }
    }
}

fn closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || find::<io::Error>(error).is_some()
}

impl TlsProblem {
    fn of(error: &rustls::Error) -> Self {
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

    fn code(self) -> ErrorCode {
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

/// The first error of a type among an error and its sources.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `source` of an `io::Error` skips the error that it wraps.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}
