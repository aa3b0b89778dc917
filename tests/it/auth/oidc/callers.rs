//! What a user with an outside token is to the rest of the api.

use serde_json::{Value, json};
use shared::Clock;
use tests::kit::{CONTACTS, Program, Tenant};

use super::{EMAIL, World};

const SESSIONS: &str = "/api/v1/auth/sessions";

#[tokio::test]
async fn me_says_that_the_user_came_by_an_outside_issuer_and_has_no_session() {
    let world = World::new().await;
    let me = world.by(world.token()).get("/api/v1/me").await.ok();
    assert_eq!((&me["principal"], &me["credential"]), (&json!("user"), &json!("outside_issuer")));
    assert_eq!((&me["user"]["id"], &me["user"]["email"]), (&json!(world.ada), &json!(EMAIL)));
    assert_eq!((&me["session"], &me["apiKey"]), (&Value::Null, &Value::Null));
    let own = world.acme.as_user(world.ada).await.get("/api/v1/me").await.ok();
    assert_eq!(own["credential"], "session");
    assert_eq!(own["scopes"], me["scopes"]);
    assert_eq!(world.acme.get("/api/v1/me").await.ok()["credential"], "api_key");
}

#[tokio::test]
async fn what_needs_a_session_is_refused_with_the_reason_whatever_the_body() {
    let world = World::new().await;
    let ada = world.by(world.token());
    for path in
        ["/api/v1/auth/logout", "/api/v1/auth/qr-session/scan", "/api/v1/auth/qr-session/link"]
    {
        let problem = ada.post(path, json!({})).await.problem(403, "FORBIDDEN");
        let reason = "This needs a session, and an outside issuer's token has none";
        assert_eq!(problem["error"], reason, "{path}");
    }
}

#[tokio::test]
async fn the_user_sees_and_ends_its_sessions_of_ours_and_is_in_none_of_them() {
    let world = World::new().await;
    let ada = world.by(world.token());
    let (phone, desktop) =
        (world.acme.as_user(world.ada).await, world.acme.as_user(world.ada).await);
    let sessions = ada.get(SESSIONS).await.page();
    let current: Vec<_> = sessions.items.iter().map(|session| &session["current"]).collect();
    assert_eq!(current, [&json!(false), &json!(false)]);
    let id = phone.get("/api/v1/me").await.ok()["session"]["id"].as_str().unwrap().to_owned();
    ada.delete(&format!("{SESSIONS}/{id}")).await.no_content();
    phone.get(CONTACTS).await.problem(401, "UNAUTHORIZED");
    desktop.get(CONTACTS).await.page();
    ada.post("/api/v1/auth/logout-all", json!({})).await.no_content();
    desktop.get(CONTACTS).await.problem(401, "UNAUTHORIZED");
    ada.get(CONTACTS).await.page();
}

#[tokio::test]
async fn the_user_is_who_did_it_however_it_signed_in() {
    let world = World::new().await;
    let (outside, own) = (world.by(world.token()), world.acme.as_user(world.ada).await);
    outside.post(CONTACTS, json!({"name": "Grace"})).await.created();
    let entries = world.acme.get("/api/v1/audit-log?action=contact.created").await.page();
    assert_eq!(entries.items[0]["actor"], json!({"type": "user", "id": world.ada}));
    // So a request that is repeated under the other sign-in is the same request.
    let create = async |caller: &Tenant| {
        caller.post_once(CONTACTS, "once", &json!({"name": "Alan"})).await.created()
    };
    assert_eq!(create(&outside).await, create(&own).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_the_fetches_and_no_token() {
    let world = World::new().await;
    let issuer = world.issuer.url();
    let variables = [("OIDC_ISSUER", &*issuer), ("OIDC_AUDIENCE", "liaison"), ("LOG", "debug")];
    let program = Program::api(&world.app.database.app_url(), &variables).await;
    let now = Clock::system().now().timestamp();
    let mut claims = world.claims();
    (claims["nbf"], claims["exp"]) = (json!(now), json!(now + 300));
    let token = world.key.sign(&claims);
    let ada = world.by(token.clone()).through(program.url());
    ada.get(CONTACTS).await.page();
    ada.get(CONTACTS).await.page();
    claims["aud"] = json!("elsewhere");
    let wrong = world.key.sign(&claims);
    let stranger = world.by(wrong.clone()).through(program.url());
    super::unauthorized(stranger.get(CONTACTS).await, super::INVALID);
    let (_, metrics) = program.admin("/metrics").await;
    assert!(metrics.contains("oidc_fetches_total{outcome=\"ok\"} 1"), "{metrics}");
    let log = program.log();
    assert!(log.contains(&format!("user:{}", world.ada)), "{log}");
    for secret in [&token, &wrong] {
        for part in secret.split('.').skip(1) {
            assert!(!log.contains(part), "{log}");
        }
    }
    assert!(!log.contains(EMAIL), "{log}");
}
