//! How a receiver wants to be called: headers of the tenant's own, a client certificate, a rate. Values and keys are
//! sealed when they arrive and never read back; what is shown of them is kept beside.

use std::collections::BTreeMap;

use serde_json::json;
use shared::TenantTx;
use shared::seal::Keyring;
use shared::webhook::headers::{self, CustomHeaders};
use shared::webhook::identity::{self, BadIdentity, CertificateSummary, ClientIdentity};
use sqlx::types::Json;
use utoipa::ToSchema;

use super::{Webhook, store};
use crate::error::{Details, Error, Result};
use crate::http::fields::{Change, Checked, Fault, Fields, Input};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};

/// What masked values begin with.
const MASK: char = '…';

/// What is written of it all: `Keep` leaves as it is.
#[derive(Debug, Default)]
pub struct Calling {
    /// Names and values.
    pub headers: Change<BTreeMap<String, String>>,
    /// Certificate and key.
    pub client_certificate: Change<NewCertificate>,
    /// Requests in a second.
    pub rate_limit: Change<i64>,
}

impl Calling {
    /// Reads the members of it.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let headers = fields.changed("headers", custom_headers());
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
        let headers = new_headers(self.headers, &webhook.headers)?.map(CustomHeaders::new);
        match &headers {
            Change::Keep => {}
            Change::Clear => webhook.headers = Json::default(),
            Change::Set(headers) => webhook.headers = Json(headers.masked()),
        }
        let identity = new_identity(
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
        let (tenant, id) = (webhook.tenant_id, webhook.id);
        let headers = sealed(self.headers, |headers| headers.seal(keys, tenant, id))?;
        let identity = sealed(self.identity, |identity| identity.seal(keys, tenant, id))?;
        Ok(store::call(tx, webhook, headers, identity).await?)
    }
}

fn sealed<T>(
    change: Change<T>,
    seal: impl FnOnce(T) -> std::result::Result<Vec<u8>, shared::seal::Unopened>,
) -> Result<Change<Vec<u8>>> {
    match change.map(seal) {
        Change::Keep => Ok(Change::Keep),
        Change::Clear => Ok(Change::Clear),
        Change::Set(sealed) => {
            sealed.map(Change::Set).map_err(|error| Error::Internal(error.into()))
        }
    }
}

/// An answer can be sent back as it is; but a mask says nothing of a value, so it cannot be mixed with new ones.
fn new_headers(
    change: Change<BTreeMap<String, String>>,
    shown: &BTreeMap<String, String>,
) -> Result<Change<BTreeMap<String, String>>> {
    let Change::Set(headers) = change else { return Ok(change) };
    if headers == *shown {
        return Ok(Change::Keep);
    }
    let masked = headers.iter().filter(|(_, value)| value.starts_with(MASK));
    let faults: Details = masked
        .map(|(name, _)| (format!("headers.{name}"), "Is masked; give the value again".to_owned()))
        .collect();
    if faults.is_empty() { Ok(Change::Set(headers)) } else { Err(Error::Invalid(faults)) }
}

/// A client certificate and its key, both as PEM.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"certificate": "-----BEGIN CERTIFICATE-----\n…", "privateKey": "-----BEGIN PRIVATE KEY-----\n…"}))]
pub struct NewCertificate {
    /// The client's certificate, then those that lead to its authority.
    certificate: Option<String>,
    /// Its key, not encrypted. It is never shown.
    private_key: Option<String>,
    /// As answers show it, so that an answer can be sent back.
    fingerprint: Option<String>,
}

impl Input for NewCertificate {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let certificate = fields.optional("certificate", pem("CERTIFICATE"));
        let private_key = fields.optional("privateKey", pem("PRIVATE KEY"));
        let fingerprint = fields.optional("fingerprint", rules::line(64));
        fields.ignore(&["subject", "expiresAt"]);
        fields.together(|| {
            let pair = json!({"required": ["certificate", "privateKey"]});
            json!({"anyOf": [pair, {"required": ["fingerprint"]}]})
        });
        Some(Self {
            certificate: certificate?,
            private_key: private_key?,
            fingerprint: fingerprint?,
        })
    }
}

fn new_identity(
    change: Change<NewCertificate>,
    shown: Option<&CertificateSummary>,
) -> Result<Change<(ClientIdentity, CertificateSummary)>> {
    let new = match change {
        Change::Keep => return Ok(Change::Keep),
        Change::Clear => return Ok(Change::Clear),
        Change::Set(new) => new,
    };
    let place = |place: &str| format!("clientCertificate.{place}");
    match (new.certificate, new.private_key) {
        (Some(certificate), Some(key)) => {
            ClientIdentity::new(&certificate, &key).map(Change::Set).map_err(|fault| {
                let at = match fault {
                    BadIdentity::Certificate => "certificate",
                    BadIdentity::Key | BadIdentity::Pair => "privateKey",
                };
                Error::field(place(at), fault.to_string())
            })
        }
        (None, None)
            if shown.is_some_and(|shown| Some(&shown.fingerprint) == new.fingerprint.as_ref()) =>
        {
            Ok(Change::Keep)
        }
        (certificate, key) => {
            let missing = [("certificate", certificate.is_none()), ("privateKey", key.is_none())];
            let faults: Details = missing
                .into_iter()
                .filter(|(_, missing)| *missing)
                .map(|(name, _)| (place(name), "Is required".to_owned()))
                .collect();
            Err(Error::Invalid(faults))
        }
    }
}

/// Text that may hold PEM; what is in it is looked at when certificate and key are there together.
fn pem(what: &'static str) -> impl Rule<String> {
    let schema = || json!({"type": "string", "minLength": 1, "maxLength": identity::LONGEST});
    rules::string_of(schema, move |text| match text.chars().count() {
        1..=identity::LONGEST => Ok(text),
        _ => {
            Err(format!("Must be a {what} as PEM of at most {} characters", identity::LONGEST)
                .into())
        }
    })
}

/// Up to ten headers by name; every failing one is told by its place.
fn custom_headers() -> impl Rule<BTreeMap<String, String>> {
    rules::rule(schema_of_headers, checked_headers)
}

fn checked_headers(value: Value) -> Checked<BTreeMap<String, String>> {
    let members = match value {
        Value::Object(members) if members.len() <= headers::MOST => members,
        _ => return Err(format!("Must be an object of at most {} headers", headers::MOST).into()),
    };
    let (mut good, mut faults) = (BTreeMap::new(), Details::new());
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text,
            _ => String::new(),
        };
        // A mask is looked at where it is known what is shown.
        let checked = if text.starts_with(MASK) { "masked" } else { &*text };
        let fault = match headers::check(&name, checked) {
            Err(fault) => fault.to_string(),
            Ok(kept) if good.contains_key(&kept) => "Is there twice".to_owned(),
            Ok(kept) => {
                good.insert(kept, text);
                continue;
            }
        };
        faults.insert(format!(".{name}"), fault);
    }
    if faults.is_empty() { Ok(good) } else { Err(Fault::inside(faults)) }
}

fn schema_of_headers() -> serde_json::Value {
    let any_case = |name: &str| -> String {
        let letter = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{}{c}]", c.to_ascii_uppercase()),
            false => c.to_string(),
        };
        name.chars().map(letter).collect()
    };
    let names = headers::REFUSED.iter().map(|name| format!("{}$", any_case(name)));
    let refused = names.chain(headers::REFUSED_PREFIXES.iter().map(|prefix| any_case(prefix)));
    let refused = refused.collect::<Vec<_>>().join("|");
    let name = format!("^(?!{refused})[A-Za-z0-9_-]{{1,{}}}$", headers::LONGEST_NAME);
    let value = format!("^([!-~]([ -~]{{0,{}}}[!-~])?|….{{0,4}})$", headers::LONGEST_VALUE - 2);
    json!({"type": "object", "maxProperties": headers::MOST, "propertyNames": {"pattern": name},
        "additionalProperties": {"type": "string", "pattern": value}})
}

#[cfg(test)]
mod tests {
    use shared::webhook::headers::BadHeader;

    use super::*;

    #[test]
    fn every_failing_header_is_told_and_a_name_counts_in_any_case() {
        let text = |text: &str| Value::String(text.to_owned());
        let headers =
            [("Host", text("a")), ("X-A", text("b")), ("x-a", text("c")), ("x-b", Value::Null)];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let faults: Details =
            checked_headers(Value::Object(headers)).unwrap_err().at("headers").collect();
        assert_eq!(faults["headers.Host"], BadHeader::Refused.to_string());
        assert_eq!(faults["headers.x-a"], "Is there twice");
        assert_eq!(faults["headers.x-b"], BadHeader::Value.to_string());
        assert_eq!(faults.len(), 3);
    }
}
