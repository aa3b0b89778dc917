//! An issuer of `OpenID` Connect with real keys, and the tokens it signs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::auth::oidc::OidcConfig;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Reply;

/// Where an issuer describes itself.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where it has its keys.
pub const JWKS: &str = "/keys";

/// An issuer on this machine; dropping it leaves it running for the rest of the test.
pub struct Issuer {
    address: SocketAddr,
    memory: Arc<Memory>,
    server: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Memory {
    replies: Mutex<BTreeMap<&'static str, Reply>>,
    asked: Mutex<Vec<String>>,
}

impl Issuer {
    /// Starts one that publishes these keys.
    pub async fn start(keys: &[&IssuerKey]) -> Self {
        let memory = Arc::<Memory>::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = Self { address, memory, server: Mutex::default() };
        let keys_at = format!("{}{JWKS}", issuer.url());
        issuer.publish(DISCOVERY, &json!({"issuer": issuer.url(), "jwks_uri": keys_at}));
        issuer.rotate(keys);
        issuer.serve(listener);
        issuer
    }

    /// What its tokens call it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An api's settings for it.
    #[must_use]
    pub fn config(&self) -> OidcConfig {
        OidcConfig {
            issuer: shared::settings::Value::parse(&self.url()).unwrap(),
            audience: "liaison".into(),
            tenant_claim: "tenant_id".into(),
            timeout: Duration::from_secs(30),
        }
    }

    /// Publishes these keys and no others.
    pub fn rotate(&self, keys: &[&IssuerKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.publish(JWKS, &json!({"keys": keys}));
    }

    /// Answers a path with this document.
    pub fn publish(&self, path: &'static str, document: &Value) {
        self.answer(path, Reply::status(200).body(document.to_string()));
    }

    /// Answers a path like this.
    pub fn answer(&self, path: &'static str, reply: Reply) {
        self.memory.replies.lock().unwrap().insert(path, reply);
    }

    /// The paths that were asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.memory.asked.lock().unwrap().clone()
    }

    /// Refuses connections until [`Issuer::come_back`].
    pub async fn go_away(&self) {
        let server = self.server.lock().unwrap().take().unwrap();
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    }

    /// Listens again, where it was.
    pub async fn come_back(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    fn serve(&self, listener: TcpListener) {
        let router = Router::new().fallback(answer).with_state(self.memory.clone());
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        *self.server.lock().unwrap() = Some(server);
    }
}

async fn answer(State(memory): State<Arc<Memory>>, uri: Uri) -> Response {
    memory.asked.lock().unwrap().push(uri.path().to_owned());
    let reply = memory.replies.lock().unwrap().get(uri.path()).cloned();
    reply.unwrap_or(Reply::status(404)).give().await
}

/// A key that an issuer signs with.
pub struct IssuerKey {
    kid: String,
    algorithm: Algorithm,
    pair: KeyPair,
}

impl IssuerKey {
    /// A fresh one, for ES256.
    #[must_use]
    pub fn new(kid: &str) -> Self {
        Self::of(kid, Algorithm::ES256)
    }

    /// A fresh one for RS256, ES256 or `EdDSA`.
    #[must_use]
    pub fn of(kid: &str, algorithm: Algorithm) -> Self {
        let scheme = match algorithm {
            Algorithm::RS256 => &PKCS_RSA_SHA256,
            Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::EdDSA => &PKCS_ED25519,
            other => panic!("no key is made for {other:?}"),
        };
        Self { kid: kid.to_owned(), algorithm, pair: KeyPair::generate_for(scheme).unwrap() }
    }

    /// The public half as an issuer publishes it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => {
                let x = URL_SAFE_NO_PAD.encode(self.pair.public_key_raw());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA"})
            }
            algorithm => json!(Jwk::from_encoding_key(&self.signing(), algorithm).unwrap()),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(Header::new(self.algorithm), claims)
    }

    /// A token with another header, but this key's name.
    #[must_use]
    pub fn sign_as(&self, header: Header, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..header };
        encode(&header, claims, &self.signing()).unwrap()
    }

    fn signing(&self) -> EncodingKey {
        let pkcs8 = self.pair.serialized_der();
        match self.algorithm {
            // PKCS#8 puts 26 bytes before the PKCS#1 of a key of 2,048 bits, which is what is asked for here.
            Algorithm::RS256 => EncodingKey::from_rsa_der(&pkcs8[26..]),
            Algorithm::EdDSA => EncodingKey::from_ed_der(pkcs8),
            _ => EncodingKey::from_ec_der(pkcs8),
        }
    }
}

/// A token that nobody signed.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.")
}
