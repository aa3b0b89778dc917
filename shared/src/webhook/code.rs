//! The catalogue of what can go wrong on the way to a receiver. docs/webhooks.md explains each code, OpenAPI lists them,
//! and a test holds the three together. A code never changes its meaning.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why an attempt failed; `body_…` codes are warnings, because the status had decided already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The URL is not allowed (any more) as a target.
    UrlBlocked,
    /// The name resolves to a private or reserved address.
    AddressBlocked,
    /// The name does not resolve.
    DnsFailed,
    /// Refused, or unreachable.
    ConnectFailed,
    /// No connection within its share of the time.
    ConnectTimeout,
    /// The operator's own proxy is at fault.
    ProxyFailed,
    /// No TLS session, for another reason than a certificate.
    TlsFailed,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate is for other names.
    CertificateWrongName,
    /// Self-signed, or its chain is private or incomplete.
    CertificateUntrusted,
    /// Withdrawn by its issuer.
    CertificateRevoked,
    /// Any other fault of a certificate.
    CertificateInvalid,
    /// The receiver refuses the webhook's client certificate, or asks for one.
    ClientCertificateRefused,
    /// Connected, but no head of an answer in time.
    Timeout,
    /// Closed or reset before the head of an answer was complete.
    ConnectionReset,
    /// The answer is not HTTP.
    InvalidResponse,
    /// The head of the answer is too large.
    HeadersTooLarge,
    /// A status other than 2xx.
    HttpStatus,
    /// A 3xx.
    Redirect,
    /// A 410.
    Gone,
    /// A 429.
    RateLimited,
    /// The body went on beyond the size that is read.
    BodyTooLarge,
    /// The body went on beyond the time that is waited.
    BodyTimeout,
    /// The connection broke within the body.
    BodyIncomplete,
    /// The request could not be made: our fault.
    RequestFailed,
    /// A secret of the webhook cannot be opened: our fault.
    SecretUnreadable,
    /// Workers kept dying on the delivery: our fault.
    DeliveryAbandoned,
    /// The webhook was deleted before the delivery could be sent.
    WebhookDeleted,
    /// The delivery was held until its time was over.
    Expired,
}

impl ErrorCode {
    /// Every code, in the order of the guide.
    pub const ALL: [Self; 30] = [
        Self::HttpStatus,
        Self::RateLimited,
        Self::Gone,
        Self::Redirect,
        Self::UrlBlocked,
        Self::AddressBlocked,
        Self::DnsFailed,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateWrongName,
        Self::CertificateUntrusted,
        Self::CertificateRevoked,
        Self::CertificateInvalid,
        Self::ClientCertificateRefused,
        Self::Timeout,
        Self::ConnectionReset,
        Self::InvalidResponse,
        Self::HeadersTooLarge,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::BodyIncomplete,
        Self::ProxyFailed,
        Self::RequestFailed,
        Self::SecretUnreadable,
        Self::DeliveryAbandoned,
        Self::WebhookDeleted,
        Self::Expired,
    ];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UrlBlocked => "url_blocked",
            Self::AddressBlocked => "address_blocked",
            Self::DnsFailed => "dns_failed",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::ProxyFailed => "proxy_failed",
            Self::TlsFailed => "tls_failed",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongName => "certificate_wrong_name",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateInvalid => "certificate_invalid",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Timeout => "timeout",
            Self::ConnectionReset => "connection_reset",
            Self::InvalidResponse => "invalid_response",
            Self::HeadersTooLarge => "headers_too_large",
            Self::HttpStatus => "http_status",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::RateLimited => "rate_limited",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyIncomplete => "body_incomplete",
            Self::RequestFailed => "request_failed",
            Self::SecretUnreadable => "secret_unreadable",
            Self::DeliveryAbandoned => "delivery_abandoned",
            Self::WebhookDeleted => "webhook_deleted",
            Self::Expired => "expired",
        }
    }

    /// Whether the fault lies with us, and so says nothing of the receiver's health.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::ProxyFailed
                | Self::RequestFailed
                | Self::SecretUnreadable
                | Self::DeliveryAbandoned
                | Self::WebhookDeleted
                | Self::Expired
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_listed_once_under_the_name_it_is_written_with() {
        for (at, code) in ErrorCode::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(!ErrorCode::ALL[..at].contains(&code), "{code:?}");
        }
    }
}
