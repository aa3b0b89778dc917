//! The rule of a client certificate and its key.

use serde_json::json;
use shared::webhook::identity::{self, BadIdentity, CertificateSummary, ClientIdentity};
use utoipa::ToSchema;

use crate::error::{Details, Error, Result};
use crate::http::fields::{Change, Fields, Input};
use crate::http::rules::{self, Rule};

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
        if let (Some(certificate), Some(key), Some(shown)) =
            (&certificate, &private_key, &fingerprint)
        {
            // Each needs the other, and both are needed unless a shown fingerprint comes back.
            for (name, own, other) in
                [("certificate", certificate, key), ("privateKey", key, certificate)]
            {
                if own.is_none() && (other.is_some() || shown.is_none()) {
                    fields.refuse(name, "Is required");
                }
            }
        }
        fields.together(|| {
            let text = json!({"type": "string"});
            let pair = json!({"required": ["certificate", "privateKey"],
                "properties": {"certificate": text, "privateKey": text}});
            let shown = json!({"required": ["fingerprint"], "properties": {"fingerprint": text}});
            json!({"anyOf": [pair, shown]})
        });
        Some(Self {
            certificate: certificate?,
            private_key: private_key?,
            fingerprint: fingerprint?,
        })
    }
}

pub(super) fn new(
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
