//! Access tokens: JWT, HS256 and nothing else, under keys that are named in the header and can be rotated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};
use shared::id::{SessionId, TenantId, UserId};
use shared::scope::Role;
use shared::settings::Value;
use uuid::Uuid;

use super::UNKNOWN_TOKEN;
use crate::error::{Error, Result};

const ISSUER: &str = "liaison";
const AUDIENCE: &str = "liaison-api";
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 5;

/// Whom a token is for.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The user's role, for the client to know; the api asks anew.
    pub role: Role,
    /// The session that the token lives and dies with.
    pub session: SessionId,
    /// The session's generation.
    pub generation: i32,
}

/// What a token says. All of it is required; the tenant and user are taken from here, the role is asked anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The user.
    pub sub: UserId,
    /// The tenant.
    pub tid: TenantId,
    /// The session.
    pub sid: SessionId,
    /// The session's generation: tokens of an earlier one are void.
    #[serde(rename = "gen")]
    pub generation: i32,
    role: String,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// The signing keys: the first listed signs, all of them verify.
#[derive(Clone)]
pub struct TokenKeys(Vec<(String, EncodingKey, DecodingKey)>);

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(kid, ..)| kid)).finish()
    }
}

impl TokenKeys {
    /// Signs a token that lives for `ttl`.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn issue(&self, to: &Grant, now: DateTime<Utc>, ttl: TimeDelta) -> Result<String> {
        let Some((kid, key, _)) = self.0.first() else {
            return Err(Error::Internal("no signing key".into()));
        };
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: to.user,
            tid: to.tenant,
            sid: to.session,
            generation: to.generation,
            role: to.role.as_str().into(),
            iat: now.timestamp(),
            exp: now.timestamp().saturating_add(ttl.num_seconds()),
            jti: shared::id::fresh(now),
        };
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, key).map_err(|error| Error::Internal(error.into()))
    }

    /// Reads a token that one of the keys signed and whose time has not passed.
    ///
    /// # Errors
    /// [`Error::TokenExpired`], or [`Error::InvalidToken`] for everything else.
    pub fn verify(&self, text: &str, now: DateTime<Utc>) -> Result<Claims> {
        let header = decode_header(text).map_err(|_| UNKNOWN_TOKEN)?;
        let (.., key) = self
            .0
            .iter()
            .find(|(kid, ..)| Some(kid) == header.kid.as_ref())
            .ok_or(UNKNOWN_TOKEN)?;
        let claims = decode::<Claims>(text, key, &validation()).map_err(|_| UNKNOWN_TOKEN)?.claims;
        if claims.exp.saturating_add(LEEWAY) < now.timestamp() {
            return Err(Error::TokenExpired);
        }
        Ok(claims)
    }
}

/// The algorithm is ours to say, never the token's; and jsonwebtoken by itself requires `exp` only.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // The time is our clock's to tell.
    validation.validate_exp = false;
    validation
}

/// `kid:base64 of at least 32 bytes`, divided by commas; the first one signs.
impl Value for TokenKeys {
    const SECRET: bool = true;

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let fault = || {
            "write kid:key pairs such as 2026a:<base64 of 32 bytes>, divided by commas".to_owned()
        };
        let mut keys: Vec<(String, EncodingKey, DecodingKey)> = Vec::new();
        for pair in text.split(',') {
            let (kid, key) = pair.trim().split_once(':').ok_or_else(fault)?;
            // Of two keys with one name only the first would verify.
            if kid.is_empty() || keys.iter().any(|(known, ..)| known == kid) {
                return Err(format!("key id {kid:?} is empty or listed twice"));
            }
            let key = STANDARD.decode(key).ok().filter(|key| key.len() >= 32).ok_or_else(fault)?;
            keys.push((
                kid.to_owned(),
                EncodingKey::from_secret(&key),
                DecodingKey::from_secret(&key),
            ));
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "b:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=,a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OLD: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn keys(text: &str) -> TokenKeys {
        TokenKeys::parse(text).unwrap()
    }

    fn now() -> DateTime<Utc> {
        shared::Clock::system().now()
    }

    fn issue(keys: &TokenKeys, now: DateTime<Utc>) -> String {
        let grant = Grant {
            tenant: TenantId::fresh(now),
            user: UserId::fresh(now),
            role: Role::Owner,
            session: SessionId::fresh(now),
            generation: 1,
        };
        keys.issue(&grant, now, TimeDelta::minutes(15)).unwrap()
    }

    #[test]
    fn a_token_of_an_older_key_still_works_after_a_rotation() {
        let token = issue(&keys(OLD), now());
        assert!(keys(KEYS).verify(&token, now()).is_ok());
        assert!(keys(OLD).verify(&issue(&keys(KEYS), now()), now()).is_err());
    }

    #[test]
    fn keys_have_names_and_no_two_have_the_same() {
        let key = OLD.split_once(':').unwrap().1;
        for text in [format!(":{key}"), format!("{OLD},{OLD}"), format!("{KEYS},b:{key}")] {
            assert!(TokenKeys::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_expired_token_says_so() {
        let (keys, issued) = (keys(OLD), now());
        let token = issue(&keys, issued);
        let end = issued + TimeDelta::minutes(15) + TimeDelta::seconds(LEEWAY);
        assert!(keys.verify(&token, end).is_ok());
        let after = end + TimeDelta::seconds(1);
        assert!(matches!(keys.verify(&token, after), Err(Error::TokenExpired)));
    }

    #[test]
    fn a_token_missing_any_claim_or_of_another_algorithm_is_refused() {
        let secret = STANDARD.decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let whole = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": Uuid::nil(), "tid": Uuid::nil(), "sid": Uuid::nil(), "gen": 1,
            "role": "owner", "iat": now().timestamp(), "exp": now().timestamp() + 60, "jti": Uuid::nil(),
        });
        let sign = |claims: &serde_json::Value, algorithm| {
            let header = Header { kid: Some("a".into()), ..Header::new(algorithm) };
            encode(&header, claims, &EncodingKey::from_secret(&secret)).unwrap()
        };
        assert!(keys(OLD).verify(&sign(&whole, Algorithm::HS256), now()).is_ok());
        assert!(keys(OLD).verify(&sign(&whole, Algorithm::HS512), now()).is_err());
        for claim in ["iss", "aud", "sub", "tid", "sid", "gen", "role", "iat", "exp", "jti"] {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(claim);
            assert!(
                keys(OLD).verify(&sign(&part, Algorithm::HS256), now()).is_err(),
                "without {claim}"
            );
        }
        for (claim, wrong) in [("iss", "else"), ("aud", "else")] {
            let mut other = whole.clone();
            other[claim] = wrong.into();
            assert!(keys(OLD).verify(&sign(&other, Algorithm::HS256), now()).is_err(), "{claim}");
        }
    }
}
