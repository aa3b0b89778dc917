//! Limits of a tenant's or a key's own (requirement R-7).

use serde_json::json;
use shared::scope::{Role, Scope};
use tests::kit::{CONTACTS, Tenant, TestApp};

use super::limited;

async fn start() -> TestApp {
    let own = [("RATE_LIMIT_READ", "100/15m"), ("RATE_LIMIT_WRITE", "1000/15m")];
    TestApp::configured(limited(&own)).await
}

/// What its next read says.
async fn policy(caller: &Tenant) -> String {
    let answer = caller.get(CONTACTS).await;
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    answer.header("ratelimit-policy").to_owned()
}

#[tokio::test]
async fn a_tenants_limit_holds_for_all_of_its_callers_and_for_no_other_tenant() {
    let app = start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let set = format!(
        r#"update tenants set rate_limits = '{{"read": "7/1m"}}' where id = '{}'"#,
        acme.id
    );
    app.database.execute(&set).await;
    assert_eq!(policy(&acme).await, "\"read\";q=7;w=60");
    assert_eq!(policy(&acme.with_role(Role::Member).await).await, "\"read\";q=7;w=60");
    assert_eq!(policy(&acme.with_scopes(&[Scope::ContactsRead]).await).await, "\"read\";q=7;w=60");
    assert_eq!(policy(&globex).await, "\"read\";q=100;w=900");
    let write = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    assert_eq!(write.header("ratelimit-policy"), "\"write\";q=1000;w=900");
}

#[tokio::test]
async fn a_keys_limit_goes_before_its_tenants() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let other = acme.with_scopes(&[Scope::ContactsRead]).await;
    app.database
        .execute(r#"update tenants set rate_limits = '{"read": "7/1m", "write": "8/1m"}'"#)
        .await;
    app.database
        .execute(r#"update api_keys set rate_limits = '{"read": "9/1m"}' where name = 'First key'"#)
        .await;
    assert_eq!(policy(&acme).await, "\"read\";q=9;w=60");
    assert_eq!(policy(&other).await, "\"read\";q=7;w=60");
    let write = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    assert_eq!(write.header("ratelimit-policy"), "\"write\";q=8;w=60");
}

#[tokio::test]
async fn a_limit_may_be_off_for_one_tenant() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    app.database.execute(r#"update tenants set rate_limits = '{"read": "off"}'"#).await;
    assert_eq!(policy(&acme).await, "");
}

#[tokio::test]
async fn a_stored_limit_that_makes_no_sense_fails_no_request() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let user = acme.with_role(Role::Member).await;
    for nonsense in ["many", "0/1m", "-5/1m", ""] {
        let set = format!(r#"update tenants set rate_limits = '{{"read": "{nonsense}"}}'"#);
        app.database.execute(&set).await;
        assert_eq!(policy(&acme).await, "\"read\";q=100;w=900", "{nonsense}");
        assert_eq!(policy(&user).await, "\"read\";q=100;w=900", "{nonsense}");
    }
    for nonsense in [r#"{"read": 5}"#, r#"{"read": null}"#, r#"{"read": {"a": []}}"#, r#"{"1": 2}"#]
    {
        app.database.execute(&format!("update api_keys set rate_limits = '{nonsense}'")).await;
        assert_eq!(policy(&acme).await, "\"read\";q=100;w=900", "{nonsense}");
    }
}
