//! What travels through Redis: enough to find a delivery, and nothing that anybody outside may not see.

use std::fmt;

use shared::id::{DeliveryId, LeaseId, TenantId, WebhookId};

/// A claim that any worker may take over. It is a hint: only the row in PostgreSQL says whether it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose the delivery is.
    pub tenant: TenantId,
    /// Where it goes.
    pub webhook: WebhookId,
    /// Its id.
    pub delivery: DeliveryId,
    /// The claim.
    pub lease: LeaseId,
}

impl Token {
    /// Reads what [`fmt::Display`] has written; `None` for anything else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split('/');
        let token = Self {
            tenant: parts.next()?.parse().ok()?,
            webhook: parts.next()?.parse().ok()?,
            delivery: parts.next()?.parse().ok()?,
            lease: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, webhook, delivery, lease } = self;
        write!(f, "{tenant}/{webhook}/{delivery}/{lease}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let now = shared::Clock::system().now();
        let token = Token {
            tenant: TenantId::fresh(now),
            webhook: WebhookId::fresh(now),
            delivery: DeliveryId::fresh(now),
            lease: LeaseId::fresh(now),
        };
        let text = token.to_string();
        assert_eq!(Token::read(text.as_bytes()), Some(token));
        for bad in [&b""[..], b"///", b"a/b/c/d", &[0xff, 0xfe], &text.as_bytes()[1..]] {
            assert_eq!(Token::read(bad), None, "{bad:?}");
        }
        assert_eq!(Token::read(format!("{text}/{}", token.lease).as_bytes()), None);
    }
}
