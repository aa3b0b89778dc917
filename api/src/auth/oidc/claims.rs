//! What a token of the issuer says, once its signature is found good.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::id::TenantId;

use super::config::OidcConfig;
use super::key::Key;
use crate::auth::UNKNOWN_TOKEN;
use crate::error::{Error, Result};

/// How far the issuer's clock may differ, in seconds.
const LEEWAY: i64 = 30;

/// The person that a token speaks of.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// The tenant it shall be a user of.
    pub tenant: TenantId,
    /// Its address, which the issuer has verified.
    pub email: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    nbf: Option<i64>,
    email: String,
    email_verified: bool,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Reads a token that this key signed, for us, and whose time it is.
///
/// # Errors
/// [`Error::TokenExpired`], or [`Error::InvalidToken`] for everything else.
pub(super) fn read(
    text: &str,
    key: &Key,
    config: &OidcConfig,
    now: DateTime<Utc>,
) -> Result<Person> {
    let decoded = decode::<Claims>(text, &key.decoding, &validation(key, config));
    let claims = decoded.map_err(|_| UNKNOWN_TOKEN)?.claims;
    let now = now.timestamp();
    if claims.exp.saturating_add(LEEWAY) < now {
        return Err(Error::TokenExpired);
    }
    let begun = claims.nbf.is_none_or(|begin| begin.saturating_sub(LEEWAY) <= now);
    let tenant = claims.others.get(&config.tenant_claim).and_then(Value::as_str);
    let tenant = tenant.and_then(|text| text.parse().ok()).ok_or(UNKNOWN_TOKEN)?;
    // PostgreSQL takes no NUL in a text. And its lower case makes of letters beyond ASCII such as `İ` another's
    // address.
    let is_plain = claims.email.is_ascii() && !claims.email.contains('\0');
    if !begun || !claims.email_verified || !is_plain {
        return Err(UNKNOWN_TOKEN);
    }
    Ok(Person { tenant: TenantId(tenant), email: claims.email })
}

/// The algorithm is the key's; and jsonwebtoken by itself requires `exp` only.
fn validation(key: &Key, config: &OidcConfig) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[config.issuer.as_str()]);
    validation.set_audience(&[&config.audience]);
    // The time is our clock's to tell.
    validation.validate_exp = false;
    validation
}
