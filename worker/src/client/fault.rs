//! Why a request brought no status back.

use std::error::Error;
use std::io::{self, ErrorKind};

use shared::webhook::target::TargetError;

/// Why a request brought no status back. The text is shown to the tenant, so it never names an
/// address; the code is stable.
///
/// | code | meaning | what the receiver's owner can do |
/// |---|---|---|
/// | `url_blocked` | the URL is not allowed (any more) as a target | change the webhook's URL |
/// | `address_blocked` | the host name resolves to a private or reserved address | fix the DNS records |
/// | `dns_failed` | the host name does not resolve | fix the DNS records |
/// | `connect_failed` | the connection was refused or the host is unreachable | start the server, open the firewall |
/// | `connect_timeout` | no connection (DNS, TCP and TLS) within 5 s | the same |
/// | `tls_failed` | the TLS handshake failed; the message says whether the certificate is to blame | renew or complete the certificate |
/// | `timeout` | connected, but no status line and headers within 30 s | answer first, work later |
/// | `connection_reset` | the connection was closed before status line and headers were complete | look for crashes, proxies and limits |
/// | `invalid_response` | the answer is not HTTP, or its head is too large | check that the port speaks HTTP |
/// | `request_failed` | the request could not be made: our fault | nothing, it is retried |
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
    /// No TLS session.
    #[error("The TLS handshake failed: {0}")]
    TlsFailed(TlsProblem),
    /// No head of an answer within `Limits::total`.
    #[error("No answer arrived in time")]
    Timeout,
    /// Closed or reset before the head of an answer was complete.
    #[error("The connection was closed before an answer arrived")]
    ConnectionReset,
    /// Not HTTP, or too much of it.
    #[error("The answer is not valid HTTP or its headers are too large")]
    InvalidResponse,
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
    /// No TLS at all on this port, an old version, or a connection closed half-way.
    #[error("the server does not speak TLS 1.2 or 1.3 on this port")]
    Handshake,
}

impl Fault {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UrlBlocked(_) => "url_blocked",
            Self::AddressBlocked => "address_blocked",
            Self::DnsFailed => "dns_failed",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsFailed(_) => "tls_failed",
            Self::Timeout => "timeout",
            Self::ConnectionReset => "connection_reset",
            Self::InvalidResponse => "invalid_response",
            Self::RequestFailed => "request_failed",
        }
    }

    /// Finds the cause among the sources of reqwest's error.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(fault) = find::<Self>(error) {
            return *fault; // from our resolver
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::TlsFailed(TlsProblem::of(tls));
        }
        if error.is_connect() { Self::while_connecting(error) } else { Self::while_waiting(error) }
    }

    fn while_connecting(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::ConnectTimeout;
        }
        match find::<io::Error>(error).map(innermost_kind) {
            // TCP is up by then: only the handshake reads from the connection.
            Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Self::TlsFailed(TlsProblem::Handshake)
            }
            _ => Self::ConnectFailed,
        }
    }

    fn while_waiting(error: &reqwest::Error) -> Self {
        if let Some(h2) = find::<h2::Error>(error) {
            let theirs = h2.is_io() || h2.is_remote();
            return if theirs { Self::ConnectionReset } else { Self::InvalidResponse };
        }
        // The innermost: a cancelled request wraps the reason why its connection is gone.
        match chain(error).filter_map(|error| error.downcast_ref::<hyper::Error>()).last() {
            None => Self::RequestFailed,
            Some(hyper) if hyper.is_user() => Self::RequestFailed,
            Some(hyper) if hyper.is_timeout() => Self::Timeout,
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
        let rustls::Error::InvalidCertificate(error) = error else { return Self::Handshake };
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotValidYet,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Revoked => Self::Revoked,
            _ => Self::Certificate,
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

/// TLS wraps the kind that matters in one that does not.
fn innermost_kind(error: &io::Error) -> ErrorKind {
    error
        .get_ref()
        .and_then(|wrapped| wrapped.downcast_ref::<io::Error>())
        .map_or(error.kind(), innermost_kind)
}
