//! How a receiver wants to be called: headers of the tenant's own, a client certificate, a rate. Values and keys are
//! sealed when they arrive and never read back; what is shown of them is kept beside.

mod certificate;
mod headers;

use std::collections::BTreeMap;

use shared::TenantTx;
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::headers::CustomHeaders;
use shared::webhook::identity::ClientIdentity;
use sqlx::types::Json;
use url::Url;

use super::{Webhook, store};
use crate::error::{Error, Result};
use crate::http::fields::{Change, Fields};
use crate::http::rules;
pub use certificate::NewCertificate;

/// What is written of it all: `Keep` leaves as it is.
#[derive(Debug, Default)]
pub struct RequestPatch {
    /// Names and values.
    pub headers: Change<BTreeMap<String, String>>,
    /// Certificate and key.
    pub client_certificate: Change<NewCertificate>,
    /// Requests in a second.
    pub rate_limit: Change<i64>,
}

impl RequestPatch {
    /// Reads the members of it.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let headers = fields.changed("headers", headers::rule());
        let client_certificate = fields.changed("clientCertificate", rules::record(targets));
        let rate_limit = fields.changed("rateLimit", rules::integer(1..=1000));
        Some(Self {
            headers: headers?,
            client_certificate: client_certificate?,
            rate_limit: rate_limit?,
        })
    }

    /// Changes what is shown of a webhook; what is left to be written for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for masked values that are not the webhook's own, and for a certificate without its key.
    pub(super) fn apply(self, webhook: &mut Webhook) -> Result<Sealable> {
        let headers = headers::new(self.headers, &webhook.headers)?.map(CustomHeaders::new);
        match &headers {
            Change::Keep => {}
            Change::Clear => webhook.headers = Json::default(),
            Change::Set(headers) => webhook.headers = Json(headers.masked()),
        }
        let identity = certificate::new(
            self.client_certificate,
            webhook.client_certificate.as_ref().map(|shown| &shown.0),
        )?;
        let mut shown = None;
        let identity = identity.map(|(identity, summary)| {
            shown = Some(Json(summary));
            identity
        });
        if !identity.is_keep() {
            webhook.client_certificate = shown;
        }
        let rate_limit = self.rate_limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        rate_limit.apply(&mut webhook.rate_limit);
        Ok(Sealable { headers, identity })
    }
}

/// What is to be sealed and written for a webhook.
#[derive(Debug)]
pub struct Sealable {
    headers: Change<CustomHeaders>,
    identity: Change<ClientIdentity>,
}

impl Sealable {
    /// Whether there are new values, although what is shown of them may be the same.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.headers, Change::Set(_)) || matches!(self.identity, Change::Set(_))
    }

    /// Whether the values of headers stay with whom they were meant for. Whoever may change where a webhook goes could
    /// send them to himself, and may not see them.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are not written again for another scheme, host or port.
    pub(super) fn stays_private(&self, before: &Webhook, after: &Webhook) -> Result<()> {
        let origin = |webhook: &Webhook| Url::parse(&webhook.url).ok().map(|url| url.origin());
        if self.headers.is_keep() && !before.headers.is_empty() && origin(before) != origin(after) {
            return Err(Error::field("headers", "Give the values again for another host, or null"));
        }
        Ok(())
    }

    /// Writes it with what the webhook shows.
    ///
    /// # Errors
    /// The database's, or the keyring's.
    pub(super) async fn write(
        self,
        tx: &mut TenantTx,
        webhook: &Webhook,
        keys: &Keyring,
    ) -> Result<()> {
        let owner = Owner(webhook.tenant_id, webhook.id);
        let headers = sealed(self.headers, |headers| headers.seal(keys, owner))?;
        let identity = sealed(self.identity, |identity| identity.seal(keys, owner))?;
        Ok(store::update_request_options(tx, webhook, headers, identity).await?)
    }
}

fn sealed<T>(
    change: Change<T>,
    seal: impl FnOnce(T) -> std::result::Result<Vec<u8>, shared::seal::Unopened>,
) -> Result<Change<Vec<u8>>> {
    change.map(seal).transpose().map_err(|error| Error::Internal(error.into()))
}
