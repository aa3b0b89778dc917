//! API keys.

use chrono::TimeDelta;
use shared::scope::Scope;
use tests::kit::{CONTACTS, Credential, TestApp};

use super::{ask, unauthorized};

const INVALID: &str = "The API key is not valid";

#[tokio::test]
async fn nobody_is_let_in_without_a_credential() {
    let app = TestApp::start().await;
    unauthorized(ask(&app, &[]).await, "Send an API key or an access token");
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_but_not_from_both() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key();
    let bearer = format!("Bearer {key}");
    for header in [
        ("x-api-key", key),
        ("authorization", &bearer),
        ("authorization", &format!("bEARER  {key}")),
    ] {
        ask(&app, &[header]).await.page();
    }
    let both = ask(&app, &[("x-api-key", key), ("authorization", &bearer)]).await;
    unauthorized(both, "Send either X-API-Key or Authorization, not both");
}

#[tokio::test]
async fn another_scheme_than_bearer_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key();
    for value in [&*format!("Basic {key}"), key, "Bearer", "", "Bearer\u{a0}token"] {
        let answer = ask(&app, &[("authorization", value)]).await;
        unauthorized(answer, "Authorization must be Bearer and a token");
    }
}

#[tokio::test]
async fn a_key_that_never_was_or_is_mistyped_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key();
    let stranger = api::auth::api_key::generate();
    let mut mistyped = key.to_owned();
    let last = if mistyped.pop() == Some('a') { 'b' } else { 'a' };
    mistyped.push(last);
    for wrong in [
        stranger.text.expose(),
        &*mistyped,
        &key[..20],
        &format!("{key}x"),
        "crm_live_",
        "",
        "hunter2",
    ] {
        unauthorized(ask(&app, &[("x-api-key", wrong)]).await, INVALID);
    }
}

#[tokio::test]
async fn a_key_with_the_right_beginning_and_another_secret_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let stranger = api::auth::api_key::generate();
    app.database.execute(&format!("update api_keys set prefix = '{}'", stranger.prefix)).await;
    unauthorized(ask(&app, &[("x-api-key", stranger.text.expose())]).await, INVALID);
    unauthorized(acme.get(CONTACTS).await, INVALID);
}

#[tokio::test]
async fn a_revoked_key_and_a_switched_off_one_are_refused_as_if_they_never_were() {
    let app = TestApp::start().await;
    for (name, change) in [("acme", "revoked_at = now()"), ("globex", "active = false")] {
        let tenant = app.tenant(name).await;
        tenant.get(CONTACTS).await.page();
        app.database
            .execute(&format!("update api_keys set {change} where tenant_id = '{}'", tenant.id))
            .await;
        unauthorized(tenant.get(CONTACTS).await, INVALID);
    }
}

#[tokio::test]
async fn a_key_works_until_the_instant_it_expires() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.database.execute("update api_keys set expires_at = created_at + interval '1 hour'").await;
    app.advance(TimeDelta::hours(1) - TimeDelta::milliseconds(1));
    acme.get(CONTACTS).await.page();
    app.advance(TimeDelta::milliseconds(1));
    unauthorized(acme.get(CONTACTS).await, "The API key has expired");
}

#[tokio::test]
async fn a_key_opens_its_own_tenant_even_if_another_one_is_found_beside_it() {
    let app = TestApp::start().await;
    let (acme, _globex) = (app.tenant("acme").await, app.tenant("globex").await);
    // Both keys are now found by the beginning of acme's.
    app.database
        .execute(&format!(
            "update api_keys set prefix = (select prefix from api_keys where tenant_id = '{}')",
            acme.id
        ))
        .await;
    let contact = acme.post(CONTACTS, serde_json::json!({"name": "Ada"})).await.created();
    assert_eq!(contact["tenantId"], serde_json::json!(acme.id));
}

#[tokio::test]
async fn a_tenant_can_have_keys_beside_each_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.with_scopes(&[Scope::ContactsRead]).await;
    let Credential::ApiKey(_) = reader.credential else { panic!("it is a key") };
    acme.post(CONTACTS, serde_json::json!({"name": "Ada"})).await.created();
    assert_eq!(reader.get(CONTACTS).await.page().names(), ["Ada"]);
}
