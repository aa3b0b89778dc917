//! Access tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::Clock;
use shared::id::UserId;
use shared::scope::Role;
use tests::kit::{Answer, CONTACTS, Credential, TOKEN_KEY, TOKEN_KID, Tenant, TestApp};

use super::unauthorized;

const INVALID: &str = "The access token is not valid";
const QUARTER: Duration = Duration::from_mins(15);

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
    let hour_ago = Clock::system().now() - chrono::TimeDelta::hours(1);
    let token =
        app.api.config.tokens.issue(acme.id, acme.owner, Role::Owner, hour_ago, QUARTER).unwrap();

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
    let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &claims(&acme));
    ask(&acme, &token).await.page();
}

#[tokio::test]
async fn a_token_of_another_key_or_algorithm_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let claims = claims(&acme);
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
    let token = sign(Algorithm::HS256, TOKEN_KID, TOKEN_KEY, &claims(&acme));
    let mut parts: Vec<&str> = token.split('.').collect();
    let stolen = URL_SAFE_NO_PAD.encode(claims(&globex).to_string());
    parts[1] = &stolen;
    unauthorized(ask(&acme, &parts.join(".")).await, INVALID);
}

#[tokio::test]
async fn a_token_for_someone_else_or_missing_a_claim_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (claim, value) in [
        ("iss", json!("elsewhere")),
        ("aud", json!("elsewhere")),
        ("sub", json!("admin")),
        ("tid", Value::Null),
        ("sid", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("jti", Value::Null),
    ] {
        let mut claims = claims(&acme);
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
async fn a_token_for_a_user_who_is_not_of_the_tenant_is_refused() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let nobody = UserId::fresh(app.clock.now());
    for user in [nobody, globex.owner] {
        let token = acme.token(user, Role::Owner, QUARTER);
        unauthorized(ask(&acme, &token).await, INVALID);
    }
}

async fn ask(tenant: &Tenant, token: &str) -> Answer {
    tenant.with(Credential::Bearer(token.to_owned())).get(CONTACTS).await
}

/// What the api itself would claim for the owner.
fn claims(tenant: &Tenant) -> Value {
    let now = Clock::system().now().timestamp();
    json!({
        "iss": "liaison", "aud": "liaison-api", "sub": tenant.owner, "tid": tenant.id, "sid": tenant.owner,
        "role": "owner", "iat": now, "exp": now + 900, "jti": tenant.owner,
    })
}

fn sign(algorithm: Algorithm, kid: &str, key: &str, claims: &Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    encode(&header, claims, &EncodingKey::from_base64_secret(key).unwrap()).unwrap()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.")
}
