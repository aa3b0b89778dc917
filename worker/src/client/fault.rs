//! Why a request brought no status back.

use std::error::Error;
use std::io::{self, ErrorKind};

use http::HeaderMap;
use shared::webhook::code::ErrorCode;
use shared::webhook::target::TargetError;

use super::proxy::ProxyProblem;
use super::tls_problem::TlsProblem;
use super::{HEAD, HEADERS};

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
            _ if is_ours(error) => Self::RequestFailed,
            ErrorKind::TimedOut => Self::ConnectTimeout,
            _ => Self::ConnectFailed,
        }
    }

    /// Of a name that was not looked up.
    pub(super) fn of_lookup(error: &io::Error) -> Self {
        if is_ours(error) { Self::RequestFailed } else { Self::DnsFailed }
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
            return match h2 {
                _ if h2.is_io() || h2.is_remote() => Self::ConnectionReset,
                _ if is_flood(h2) => Self::HeadersTooLarge,
                _ => Self::InvalidResponse,
            };
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

/// Whether the receiver says that it has not looked at the request, so that it may be sent again at once (RFC 9113
/// §8.7): it refused the stream, or closes the connection in good order and names a stream before it as the last
/// (§6.8), as servers do after some thousand requests.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    find::<h2::Error>(error).filter(|h2| h2.is_remote()).is_some_and(|h2| {
        h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM)
            || h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR)
    })
}

/// Whether the HTTP/2 library gave the connection up for headers without end. It has no code of its own for that, only
/// these words, and `COMPRESSION_ERROR` for one long header behind many.
fn is_flood(error: &h2::Error) -> bool {
    let text = error.to_string();
    let said = ["header_list_way_too_large", "too_many_continuations"];
    error.is_library()
        && error.is_go_away()
        && (error.reason() == Some(h2::Reason::COMPRESSION_ERROR)
            || said.iter().any(|words| text.contains(words)))
}

/// Whether the headers of an answer are more than this client takes. Over HTTP/1 none comes so far.
pub(super) fn is_oversized(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers.len() > HEADERS || bytes > HEAD
}

/// Whether it is this machine that has no more files, memory, ports or buffers, which says nothing of a receiver:
/// Linux's ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL and ENOBUFS.
fn is_ours(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 99 | 105))
}

fn closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || find::<io::Error>(error).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_files_or_ports_blames_no_receiver() {
        for ours in [12, 23, 24, 99, 105].map(io::Error::from_raw_os_error) {
            assert_eq!(Fault::of_connect(&ours), Fault::RequestFailed, "{ours}");
            assert_eq!(Fault::of_lookup(&ours), Fault::RequestFailed, "{ours}");
        }
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(Fault::of_connect(&refused), Fault::ConnectFailed);
        assert_eq!(Fault::of_lookup(&io::Error::other("no such host")), Fault::DnsFailed);
    }
}
