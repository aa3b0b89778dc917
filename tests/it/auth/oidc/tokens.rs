//! Which tokens of the issuer are believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::kit::{CONTACTS, IssuerKey, unsigned};

use super::{EMAIL, World, member};

#[tokio::test]
async fn a_token_that_says_too_little_or_something_else_is_refused() {
    let world = World::new().await;
    world.ask(world.token()).await.page();
    for (claim, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("iss", json!(format!("{}/", world.issuer.url()))),
        ("iss", Value::Null),
        ("aud", json!("elsewhere")),
        ("aud", json!(["elsewhere"])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("nbf", json!("always")),
        ("email", Value::Null),
        ("email", json!("")),
        ("email", json!("bob@acme.example")),
        ("email", json!(format!("{EMAIL}\0"))),
        ("email", json!([EMAIL])),
        ("email_verified", json!(false)),
        ("email_verified", json!("true")),
        ("email_verified", Value::Null),
        ("tenant_id", json!("acme")),
        ("tenant_id", json!(7)),
        ("tenant_id", Value::Null),
        ("tenant_id", json!(world.ada)),
    ] {
        world.refuses(world.claiming(claim, value)).await;
        let mut without = world.claims();
        without.as_object_mut().unwrap().remove(claim);
        // Whoever signs need not say from when on.
        if claim != "nbf" {
            world.refuses(world.key.sign(&without)).await;
        }
    }
    world.ask(world.claiming("aud", json!(["elsewhere", "liaison"]))).await.page();
    world.ask(world.claiming("nbf", Value::Null)).await.page();
}

#[tokio::test]
async fn a_token_works_from_its_beginning_to_its_end_with_half_a_minute_for_the_clocks() {
    let world = World::new().await;
    let (now, token) = (world.app.clock.now().timestamp(), world.token());
    world.ask(world.claiming("nbf", json!(now + 30))).await.page();
    world.refuses(world.claiming("nbf", json!(now + 31))).await;
    world.app.advance(TimeDelta::seconds(330));
    world.ask(token.clone()).await.page();
    world.app.advance(TimeDelta::seconds(1));
    let answer = world.ask(token).await;
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"liaison\", error=\"invalid_token\""
    );
    answer.problem(401, "TOKEN_EXPIRED");
    for never in [i64::MIN, i64::MAX] {
        world.refuses(world.claiming("nbf", json!(i64::MAX))).await;
        let expired = world.ask(world.claiming("exp", json!(never))).await.status;
        assert_eq!(expired, if never < 0 { 401 } else { 200 });
    }
}

#[tokio::test]
async fn a_token_that_the_key_did_not_sign_in_its_own_way_is_refused() {
    let world = World::with(IssuerKey::of("first", Algorithm::RS256), |_| {}).await;
    let (key, claims) = (&world.key, world.claims());
    let impostor = IssuerKey::of("first", Algorithm::RS256);
    let other_kind = IssuerKey::new("first");
    let mut stolen: Vec<String> = world.token().split('.').map(str::to_owned).collect();
    stolen[1] = URL_SAFE_NO_PAD.encode(json!({"iss": world.issuer.url()}).to_string());
    let hmac = |secret: &[u8]| {
        let header = Header { kid: Some("first".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let modulus = key.jwk()["n"].as_str().unwrap().to_owned();
    for forged in [
        impostor.sign(&claims),
        other_kind.sign(&claims),
        key.sign_as(Header::new(Algorithm::RS512), &claims),
        key.sign_as(Header::new(Algorithm::PS256), &claims),
        hmac(key.jwk().to_string().as_bytes()),
        hmac(modulus.as_bytes()),
        hmac(&URL_SAFE_NO_PAD.decode(&modulus).unwrap()),
        unsigned(&json!({"alg": "none", "kid": "first"}), &claims),
        unsigned(&json!({"alg": "RS256", "kid": "first"}), &claims),
        stolen.join("."),
    ] {
        world.refuses(forged).await;
    }
    let critical = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::RS256) };
    world.refuses(key.sign_as(critical, &claims)).await;
    world.refuses(unsigned(&json!({"alg": "RS256"}), &claims)).await;
    world.ask(key.sign(&claims)).await.page();
}

#[tokio::test]
async fn a_user_is_known_by_its_address_in_any_case_and_in_its_own_tenant_only() {
    let world = World::new().await;
    let globex = world.app.tenant("globex").await;
    world.ask(world.claiming("email", json!("ADA@Acme.Example"))).await.page();
    world.refuses(world.claiming("tenant_id", json!(globex.id))).await;
    member(&world.app, &globex, EMAIL).await;
    let there = world.by(world.claiming("tenant_id", json!(globex.id)));
    let contact = there.post(CONTACTS, json!({"name": "Grace"})).await.created();
    assert_eq!(contact["tenantId"], json!(globex.id));
    assert!(world.ask(world.token()).await.page().items.is_empty());
}

#[tokio::test]
async fn a_user_who_was_switched_off_is_out_at_the_next_request() {
    let world = World::new().await;
    let token = world.token();
    world.ask(token.clone()).await.page();
    let off = format!("update users set active = false where id = '{}'", world.ada);
    world.app.database.execute(&off).await;
    world.refuses(token).await;
}

#[tokio::test]
async fn the_tenant_is_in_the_claim_that_the_operator_names() {
    let name = "https://crm.example/tenant";
    let world =
        World::with(IssuerKey::new("first"), |oidc| oidc.tenant_claim = name.to_owned()).await;
    world.refuses(world.token()).await;
    world.ask(world.claiming(name, json!(world.acme.id))).await.page();
}
