//! Access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::Clock;
use shared::id::UserId;
use shared::scope::Role;
use tests::kit::{
    Answer, CONTACTS, Credential, PEPPER, Program, TOKEN_KEY, TOKEN_KID, Tenant, TestApp, unsigned,
};

use super::unauthorized;

const INVALID: &str = "The access token is not valid";

#[tokio::test]
async fn a_user_with_a_token_is_let_in_and_writes_in_its_tenant() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.with_role(Role::Member).await;
    let contact = user.post(CONTACTS, json!({"name": "Ada"})).await.created();
    assert_eq!(contact["tenantId"], json!(acme.id));
    assert_eq!(user.get(CONTACTS).await.page().items, [contact]);
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (token, keys) = (forge(&acme).await, TOKEN_KEY);
    let token = sign(Algorithm::HS256, TOKEN_KID, keys, &token);
    // Fifteen minutes and the five seconds by which clocks may differ.
    app.advance(TimeDelta::seconds(905));
    ask(&acme, &token).await.page();
    app.advance(TimeDelta::seconds(1));
    let answer = ask(&acme, &token).await;

    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"liaison\", error=\"invalid_token\""
    );
    assert_eq!(answer.problem(401, "TOKEN_EXPIRED")["error"], "The access token has expired");
}

#[tokio::test]
async fn a_token_of_the_right_form_is_let_in_so_the_forgeries_below_fail_for_their_own_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &forge(&acme).await);
    ask(&acme, &token).await.page();
}

#[tokio::test]
async fn a_token_of_another_key_or_algorithm_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let claims = forge(&acme).await;
    let other = STANDARD.encode([7; 32]);
    let forged = [
        sign(Algorithm::HS256, TOKEN_KID, &other, &claims),
        sign(Algorithm::HS256, "unknown", TOKEN_KEY, &claims),
        sign(Algorithm::HS384, TOKEN_KID, TOKEN_KEY, &claims),
        sign(Algorithm::HS512, TOKEN_KID, TOKEN_KEY, &claims),
        unsigned(&json!({"alg": "none", "typ": "JWT", "kid": TOKEN_KID}), &claims),
        unsigned(&json!({"alg": "HS256", "typ": "JWT", "kid": TOKEN_KID}), &claims),
    ];
    for token in forged {
        unauthorized(ask(&acme, &token).await, INVALID);
    }
}

#[tokio::test]
async fn a_token_whose_claims_were_changed_is_refused() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &forge(&acme).await);
    let mut parts: Vec<&str> = token.split('.').collect();
    let stolen = URL_SAFE_NO_PAD.encode(forge(&globex).await.to_string());
    parts[1] = &stolen;
    unauthorized(ask(&acme, &parts.join(".")).await, INVALID);
}

#[tokio::test]
async fn a_token_for_someone_else_or_missing_a_claim_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let valid = forge(&acme).await;
    for (claim, value) in [
        ("iss", json!("elsewhere")),
        ("aud", json!("elsewhere")),
        ("sub", json!("admin")),
        ("tid", Value::Null),
        ("sid", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("jti", Value::Null),
        ("gen", Value::Null),
        ("gen", json!(2)),
        ("sid", json!(acme.owner)),
    ] {
        let mut claims = valid.clone();
        claims[claim] = value;
        let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &claims);
        unauthorized(ask(&acme, &token).await, INVALID);
    }
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for nonsense in ["token", "a.b.c", "..", "e30.e30.e30", &"x".repeat(4_000)] {
        unauthorized(ask(&acme, nonsense).await, INVALID);
    }
}

#[tokio::test]
async fn a_user_who_was_switched_off_is_out_although_the_token_lives() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.with_role(Role::Admin).await;
    user.get(CONTACTS).await.page();
    app.database.execute("update users set active = false where role = 'admin'").await;
    unauthorized(user.get(CONTACTS).await, INVALID);
}

#[tokio::test]
async fn a_token_for_another_user_than_its_sessions_is_refused() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let colleague = acme.user(Role::Owner).await;
    for user in [UserId::fresh(app.clock.now()), globex.owner, colleague] {
        let mut claims = forge(&acme).await;
        claims["sub"] = json!(user);
        let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &claims);
        unauthorized(ask(&acme, &token).await, INVALID);
    }
}

#[tokio::test]
async fn a_token_of_a_session_of_another_tenant_is_refused() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let mut claims = forge(&acme).await;
    claims["tid"] = json!(globex.id);
    let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &claims);
    unauthorized(ask(&acme, &token).await, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_rotate_without_a_moment_in_which_a_token_fails() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.user(Role::Member).await;
    let (old, new) = (format!("{TOKEN_KID}:{TOKEN_KEY}"), format!("new:{PEPPER}"));
    let url = app.database.app_url();
    let start = async |keys: String| Program::api(&url, &[("JWT_KEYS", &keys)]).await;
    // As operations.md says: first every process knows the new key, then every process signs with it.
    let (before, after) =
        (start(format!("{old},{new}")).await, start(format!("{new},{old}")).await);
    let by_old = acme.token(user, Clock::system().now()).await;
    let header = jsonwebtoken::decode_header(&by_old).unwrap();
    assert_eq!(header.kid.as_deref(), Some(TOKEN_KID));
    let claims: Value = {
        let payload = URL_SAFE_NO_PAD.decode(by_old.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };
    let by_new = sign(Algorithm::HS256, "new", PEPPER, &claims);
    for token in [&by_old, &by_new] {
        for process in [&before, &after] {
            ask(&acme.through(process.url()), token).await.page();
        }
    }
    // The old key is dropped when its last token has ended.
    let last = start(new).await;
    ask(&acme.through(last.url()), &by_new).await.page();
    unauthorized(ask(&acme.through(last.url()), &by_old).await, INVALID);
}

async fn ask(tenant: &Tenant, token: &str) -> Answer {
    tenant.with(Credential::Bearer(token.to_owned())).get(CONTACTS).await
}

/// What the api itself claims for the owner in a session of its own.
async fn forge(tenant: &Tenant) -> Value {
    let session = tenant.as_user(tenant.owner).await;
    let payload = URL_SAFE_NO_PAD.decode(session.key().split('.').nth(1).unwrap()).unwrap();
    let mut claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["exp"] = json!(claims["iat"].as_i64().unwrap() + 900);
    claims
}

fn sign(algorithm: Algorithm, kid: &str, key: &str, claims: &Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    encode(&header, claims, &EncodingKey::from_base64_secret(key).unwrap()).unwrap()
}
