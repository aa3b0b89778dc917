//! What requests of a sign-in by QR code hold.

use serde_json::json;
use shared::id::TenantId;
use shared::secret::Secret;
use utoipa::ToSchema;

use crate::http::fields::{Fields, Input};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};

/// What a QR session is made from: everything may be absent.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"deviceName": "Chrome on macOS", "tenant": "01890a5d-ac96-774b-bcce-b302099a8057"}))]
pub struct NewQrSession {
    /// What the approving user is shown, 1 to 100 characters.
    pub device_name: Option<String>,
    /// The id of the only tenant whose users may approve.
    #[schema(value_type = Option<Uuid>)]
    pub tenant: Option<TenantId>,
    /// RFC 7636, S256: 43 characters.
    pub code_challenge: Option<String>,
    /// Asks for the poll secret as a cookie, for pages that use `EventSource`.
    #[schema(value_type = Option<bool>)]
    pub cookie: bool,
}

/// What a phone has read from the screen.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"qrToken": "qr_…"}))]
pub struct Scan {
    /// What follows `#` in the QR code.
    #[schema(value_type = String)]
    pub qr_token: Secret<String>,
}

/// A user's decision.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"linkToken": "ql_…", "decision": "approve", "matchCode": "47"}))]
pub struct Link {
    /// As the scan answered it.
    #[schema(value_type = String)]
    pub link_token: Secret<String>,
    /// `approve` (the default) or `deny`.
    #[schema(value_type = Option<String>)]
    pub decision: Decision,
}

/// What a user says to the desktop's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes; and the two digits on its screen are these.
    Approve(String),
    /// No.
    Deny,
}

/// What a desktop exchanges for tokens.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"pollSecret": "qps_…", "codeVerifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}))]
pub struct Redeem {
    /// As `generate` answered it; may be absent when it is in the cookie.
    #[schema(value_type = Option<String>)]
    pub poll_secret: Option<Secret<String>>,
    /// RFC 7636; required when `generate` was given a challenge.
    #[schema(value_type = Option<String>)]
    pub code_verifier: Option<Secret<String>>,
}

impl Input for NewQrSession {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let device_name = fields.optional("deviceName", rules::label(100));
        let tenant = fields.optional("tenant", rules::id());
        let code_challenge = fields.optional("codeChallenge", challenge());
        let cookie = fields.optional("cookie", rules::boolean());
        Some(Self {
            device_name: device_name?,
            tenant: tenant?,
            code_challenge: code_challenge?,
            cookie: cookie?.unwrap_or(false),
        })
    }
}

impl Input for Scan {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { qr_token: fields.required("qrToken", secret())? })
    }
}

impl Input for Link {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let link_token = fields.required("linkToken", secret());
        let decision = fields.optional("decision", rules::one_of(&[true, false], word));
        let match_code = fields.optional("matchCode", match_code());
        fields.together(|| {
            json!({"anyOf": [
                {"required": ["matchCode"], "properties": {"matchCode": {"type": "string"}}},
                {"required": ["decision"], "properties": {"decision": {"const": word(false)}}},
            ]})
        });
        let decision = match (decision, match_code) {
            (Some(Some(false)), code) => code.map(|_| Decision::Deny),
            (approves, Some(None)) => {
                fields.refuse("matchCode", "Is required");
                approves.and(None)
            }
            (approves, code) => approves.and(code?.map(Decision::Approve)),
        };
        Some(Self { link_token: link_token?, decision: decision? })
    }
}

impl Input for Redeem {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let poll_secret = fields.optional("pollSecret", secret());
        let code_verifier = fields.optional("codeVerifier", verifier());
        Some(Self { poll_secret: poll_secret?, code_verifier: code_verifier? })
    }
}

fn secret() -> impl Rule<Secret<String>> {
    rules::string().then(|text| Ok(Secret::new(text)))
}

/// What a user says who approves, or does not.
fn word(approves: bool) -> &'static str {
    if approves { "approve" } else { "deny" }
}

fn match_code() -> impl Rule<String> {
    let what = "The two digits on the other screen; required to approve.";
    let schema = move || json!({"type": "string", "pattern": "^[0-9]{2}$", "description": what});
    rules::rule(schema, |value| match value {
        Value::String(text)
            if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Ok(text)
        }
        _ => Err("Must be the two digits that the other screen shows, as a string".into()),
    })
}

fn challenge() -> impl Rule<String> {
    let schema = || json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"});
    rules::string_of(schema, |text| {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.len() == 43 && text.bytes().all(base64url) {
            Ok(text)
        } else {
            Err("Must be base64url of a SHA-256, 43 characters".into())
        }
    })
}

fn verifier() -> impl Rule<Secret<String>> {
    let schema = || json!({"type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$"});
    rules::string_of(schema, |text| {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Secret::new(text))
        } else {
            Err("Must be 43 to 128 letters, digits, or - . _ ~".into())
        }
    })
}
