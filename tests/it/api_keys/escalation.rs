//! Nobody gets more out of keys than it has: requirement K-10.

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{API_KEYS, Answer, Tenant, TestApp};

use super::{at, let_in, made};

const OUTLIVES: &str = "A key cannot manage one that outlives it";
const REACHES: &str = "A key cannot manage one that works from more addresses";

/// A key that may manage keys, with these fields besides.
async fn manager(tenant: &Tenant, fields: Value) -> (Value, Tenant) {
    let mut body =
        json!({"name": "Manager", "scopes": ["api_keys:read", "api_keys:write", "contacts:read"]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    made(tenant, tenant.post(API_KEYS, body).await.created())
}

/// Everything that can be done with a key that exists.
async fn attempts(caller: &Tenant, key: &Value) -> Vec<Answer> {
    let rotate = format!("{}/rotate", at(key));
    vec![
        caller.put(&at(key), json!({"name": "Mine"})).await,
        caller.patch(&at(key), json!({"scopes": ["contacts:read"]})).await,
        caller.patch(&at(key), json!({"active": false})).await,
        caller.post(&rotate, json!({})).await,
        caller.delete(&at(key)).await,
    ]
}

#[track_caller]
fn refused(answer: Answer, reason: &str) {
    assert_eq!(answer.problem(403, "FORBIDDEN")["error"], reason);
}

#[track_caller]
fn missing(answer: Answer, scope: &str) {
    assert_eq!(answer.problem(403, "INSUFFICIENT_SCOPE")["details"]["scope"], scope);
}

#[tokio::test]
async fn a_key_makes_no_key_with_a_scope_that_it_lacks() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, manager) = manager(&acme, json!({})).await;
    let body = |scopes: &[&str]| json!({"name": "Key", "scopes": scopes});
    for scope in Scope::ALL.iter().map(|scope| scope.as_str()) {
        let answer = manager.post(API_KEYS, body(&["contacts:read", scope])).await;
        if ["api_keys:read", "api_keys:write", "contacts:read"].contains(&scope) {
            answer.created();
        } else {
            missing(answer, scope);
        }
    }
}

#[tokio::test]
async fn a_replaced_secret_makes_nothing_that_outlives_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (key, old) = manager(&acme, json!({})).await;
    let rotate = format!("{}/rotate", at(&key));
    let (_, new) = made(&acme, acme.post(&rotate, json!({})).await.ok());
    refused(old.post(&rotate, json!({"overlapSeconds": 0})).await, OUTLIVES);
    let eternal = json!({"name": "Eternal", "scopes": ["contacts:read"]});
    refused(old.post(API_KEYS, eternal.clone()).await, OUTLIVES);
    let_in(super::knock(&new).await);
    new.post(API_KEYS, eternal).await.created();
}

#[tokio::test]
async fn a_key_does_nothing_to_a_stronger_one_but_look_at_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, manager) = manager(&acme, json!({})).await;
    let strong = json!({"name": "Strong", "scopes": ["contacts:read", "contacts:write"]});
    let (strong, holder) = made(&acme, acme.post(API_KEYS, strong).await.created());
    for answer in attempts(&manager, &strong).await {
        missing(answer, "contacts:write");
    }
    assert_eq!(manager.get(&at(&strong)).await.ok()["version"], 1);
    let_in(super::knock(&holder).await);
}

#[tokio::test]
async fn a_key_widens_neither_itself_nor_its_equals() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bounds = json!({"expiresAt": "2026-01-03T00:00:00Z", "allowedIps": ["127.0.0.0/8", "::1"]});
    let (own, manager) = manager(&acme, bounds.clone()).await;
    let weak = json!({"name": "Weak", "scopes": ["contacts:read"], "expiresAt": "2026-01-02T12:00:00Z", "allowedIps": ["127.0.0.1"]});
    let weak = manager.post(API_KEYS, weak).await.created();
    for key in [&own, &weak] {
        let change = async |patch: Value| manager.patch(&at(key), patch).await;
        missing(change(json!({"scopes": ["contacts:read", "leads:read"]})).await, "leads:read");
        refused(change(json!({"expiresAt": null})).await, OUTLIVES);
        refused(change(json!({"expiresAt": "2026-01-03T00:00:00.001Z"})).await, OUTLIVES);
        refused(change(json!({"allowedIps": null})).await, REACHES);
        refused(change(json!({"allowedIps": ["127.0.0.1", "192.0.2.1"]})).await, REACHES);
        refused(change(json!({"allowedIps": ["0.0.0.0/0"]})).await, REACHES);
    }
    // Within its bounds it may do all of it.
    let patch = json!({"expiresAt": "2026-01-02T23:00:00Z", "allowedIps": ["127.1.0.0/16"], "scopes": ["api_keys:read"]});
    manager.patch(&at(&weak), patch).await.ok();
    manager.delete(&at(&weak)).await.no_content();
}

#[tokio::test]
async fn a_key_makes_and_manages_none_that_outlives_it_or_works_from_elsewhere() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let end = "2026-01-03T00:00:00Z";
    let body = |fields: Value| {
        let mut body = json!({"name": "Key", "scopes": ["contacts:read"]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let (_, mortal) = manager(&acme, json!({"expiresAt": end})).await;
    let (_, settled) = manager(&acme, json!({"allowedIps": ["127.0.0.1"]})).await;
    for fields in [json!({}), json!({"expiresAt": "2026-01-04T00:00:00Z"})] {
        refused(mortal.post(API_KEYS, body(fields)).await, OUTLIVES);
    }
    mortal.post(API_KEYS, body(json!({"expiresAt": end}))).await.created();
    for fields in [json!({}), json!({"allowedIps": ["127.0.0.1", "127.0.0.2"]})] {
        refused(settled.post(API_KEYS, body(fields)).await, REACHES);
    }
    settled.post(API_KEYS, body(json!({"allowedIps": ["127.0.0.1"]}))).await.created();

    // A rotation would put the other key's secret into its hands.
    let eternal = acme.post(API_KEYS, body(json!({}))).await.created();
    for answer in attempts(&mortal, &eternal).await {
        refused(answer, OUTLIVES);
    }
    for answer in attempts(&settled, &eternal).await {
        refused(answer, REACHES);
    }
    assert_eq!(acme.get(&at(&eternal)).await.ok()["version"], 1);
}

#[tokio::test]
async fn only_owners_and_admins_manage_keys_among_users() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let everything: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    for (role, manages) in
        [(Role::Owner, true), (Role::Admin, true), (Role::Member, false), (Role::ReadOnly, false)]
    {
        let user = acme.with_role(role).await;
        let answer = user.post(API_KEYS, json!({"name": "Key", "scopes": everything})).await;
        if !manages {
            missing(answer, "api_keys:write");
            missing(user.get(API_KEYS).await, "api_keys:read");
            continue;
        }
        let key = answer.created();
        user.patch(&at(&key), json!({"name": "Renamed"})).await.ok();
        user.post(&format!("{}/rotate", at(&key)), json!({})).await.ok();
        user.delete(&at(&key)).await.no_content();
    }
}

#[tokio::test]
async fn a_key_without_the_right_to_manage_keys_cannot_even_manage_itself() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (own, reader) = super::reader(&acme, json!({})).await;
    for answer in attempts(&reader, &own).await {
        missing(answer, "api_keys:write");
    }
    missing(reader.call(Method::GET, &at(&own), None).await, "api_keys:read");
}
