//! Whose a sealed value is.

use crate::id::{TenantId, WebhookId};

/// The webhook that something is sealed for; sealed for one, it does not open for another.
#[derive(Clone, Copy, Debug)]
pub struct Owner(pub TenantId, pub WebhookId);

impl Owner {
    /// Where a value lies: what is sealed for this place opens in no other.
    pub(super) fn place(self, member: &str) -> Vec<u8> {
        let Self(tenant, webhook) = self;
        format!("{tenant}|{webhook}|webhooks.{member}").into_bytes()
    }
}
