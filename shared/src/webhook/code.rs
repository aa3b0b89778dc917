//! The catalogue of what can go wrong on the way to a receiver. docs/webhooks.md explains each code, OpenAPI lists
//! them, and a test holds the three together. A code never changes its meaning.

use crate::{described_words, words};

words! {
    /// Why an attempt failed; `body_…` codes are warnings, because the status had decided already.
    // In the order of the guide.
    pub enum ErrorCode {
        /// A status other than 2xx.
        HttpStatus = "http_status",
        /// A 429.
        RateLimited = "rate_limited",
        /// A 410.
        Gone = "gone",
        /// A 3xx.
        Redirect = "redirect",
        /// The URL is not allowed (any more) as a target.
        UrlBlocked = "url_blocked",
        /// The name resolves to a private or reserved address.
        AddressBlocked = "address_blocked",
        /// The name does not resolve.
        DnsFailed = "dns_failed",
        /// Refused, or unreachable.
        ConnectFailed = "connect_failed",
        /// No connection within its share of the time.
        ConnectTimeout = "connect_timeout",
        /// No TLS session, for another reason than a certificate.
        TlsFailed = "tls_failed",
        /// The certificate has expired.
        CertificateExpired = "certificate_expired",
        /// The certificate is not valid yet.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// The certificate is for other names.
        CertificateWrongName = "certificate_wrong_name",
        /// Self-signed, or its chain is private or incomplete.
        CertificateUntrusted = "certificate_untrusted",
        /// Withdrawn by its issuer.
        CertificateRevoked = "certificate_revoked",
        /// Any other fault of a certificate.
        CertificateInvalid = "certificate_invalid",
        /// The receiver refuses the webhook's client certificate, or asks for one.
        ClientCertificateRefused = "client_certificate_refused",
        /// Connected, but no head of an answer in time.
        Timeout = "timeout",
        /// Closed or reset before the head of an answer was complete.
        ConnectionReset = "connection_reset",
        /// The answer is not HTTP.
        InvalidResponse = "invalid_response",
        /// The head of the answer is too large.
        HeadersTooLarge = "headers_too_large",
        /// The body went on beyond the size that is read.
        BodyTooLarge = "body_too_large",
        /// The body went on beyond the time that is waited.
        BodyTimeout = "body_timeout",
        /// The connection broke within the body.
        BodyIncomplete = "body_incomplete",
        /// The operator's own proxy is at fault.
        ProxyFailed = "proxy_failed",
        /// The request could not be made: our fault.
        RequestFailed = "request_failed",
        /// A secret of the webhook cannot be opened: our fault.
        SecretUnreadable = "secret_unreadable",
        /// Workers kept dying on the delivery: our fault.
        DeliveryAbandoned = "delivery_abandoned",
        /// The webhook was deleted before the delivery could be sent.
        WebhookDeleted = "webhook_deleted",
        /// The delivery was held until its time was over.
        Expired = "expired",
    }
}
described_words!(ErrorCode as "ErrorCode");

impl ErrorCode {
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
    use super::ErrorCode;

    #[test]
    fn what_is_our_own_fault_is_said_of_each_code_and_of_no_other() {
        let ours = [
            "proxy_failed",
            "request_failed",
            "secret_unreadable",
            "delivery_abandoned",
            "webhook_deleted",
            "expired",
        ];
        let found: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.is_ours()).map(|code| code.as_str()).collect();
        assert_eq!(found, ours);
    }
}
