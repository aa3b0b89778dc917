//! Whose a sealed value is.

use crate::id::{TenantId, WebhookId};

/// The columns of a webhook that are sealed, each with what it is sealed as.
pub(crate) const SEALED: [(&str, &str); 3] =
    [("secret_enc", "secret"), ("headers_enc", "headers"), ("identity_enc", "client_certificate")];

/// The webhook that something is sealed for; sealed for one, it does not open for another.
#[derive(Clone, Copy, Debug)]
pub struct Owner(pub TenantId, pub WebhookId);

impl Owner {
    /// The additional authenticated data of a member: what is sealed for it opens in no other place.
    pub(crate) fn aad(self, member: &str) -> Vec<u8> {
        let Self(tenant, webhook) = self;
        format!("{tenant}|{webhook}|webhooks.{member}").into_bytes()
    }
}
