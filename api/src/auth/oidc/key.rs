//! One of the issuer's keys, tied to the one algorithm that it is believed with.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The algorithms that tokens may be signed with: the key decides which, never the token.
pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// A public key.
pub(super) struct Key {
    pub kid: String,
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
}

impl Key {
    /// The key that a JWK (RFC 7517) describes, unless it has no name, is not for signatures, or is of another kind.
    pub fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let named = jwk.common.key_algorithm.unwrap_or_else(|| KeyAlgorithm::from(algorithm));
        let meant = jwk.common.public_key_use.as_ref().unwrap_or(&PublicKeyUse::Signature);
        if named != KeyAlgorithm::from(algorithm) || *meant != PublicKeyUse::Signature {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { kid: jwk.common.key_id?, algorithm, decoding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(name: &str, value: Value) -> Option<Key> {
        let mut jwk = json!({"kty": "RSA", "kid": "a", "use": "sig", "alg": "RS256", "n": "u1WX", "e": "AQAB"});
        jwk[name] = value;
        Key::read(jwk)
    }

    #[test]
    fn a_key_is_taken_only_with_a_name_for_signatures_and_its_own_algorithm() {
        assert_eq!(changed("kid", json!("b")).unwrap().algorithm, Algorithm::RS256);
        assert!(changed("alg", Value::Null).is_some() && changed("use", Value::Null).is_some());
        for (name, value) in [
            ("kid", Value::Null),
            ("use", json!("enc")),
            ("alg", json!("RS512")),
            ("alg", json!("HS256")),
            ("alg", json!("unheard of")),
            ("n", json!("not base64!")),
            ("kty", json!("EC")),
            ("kty", json!("unheard of")),
        ] {
            assert!(changed(name, value.clone()).is_none(), "{name}: {value}");
        }
        assert!(Key::read(json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"})).is_none());
    }
}
