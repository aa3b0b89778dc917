//! `api admin reseal`.

use serde_json::json;
use tests::kit::{PEPPER, SECRET_KEY, Tenant, TestApp};

use super::{json, operator};

/// Gives every sealed thing there is to a tenant.
async fn sealed(acme: &Tenant) -> String {
    let webhook = json!({"url": "http://127.0.0.1:1/hook", "events": ["*"],
        "headers": {"authorization": "Bearer 0123456789abcdef"}});
    let request = acme.request(reqwest::Method::POST, "/api/v1/webhooks");
    let answer = request.header("idempotency-key", "once").json(&webhook).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["data"]["id"].as_str().unwrap().to_owned()
}

/// The numbers of the keys that the stored values are under.
async fn keys(app: &TestApp) -> Vec<i32> {
    sqlx::query_scalar(
        "select distinct get_byte(sealed, 1) * 256 + get_byte(sealed, 2) from (
             select unnest(array[secret_enc, headers_enc, identity_enc]) from webhooks
             union all select answer from idempotency_keys) s (sealed) where sealed is not null order by 1",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap()
}

#[tokio::test]
async fn everything_is_sealed_under_the_new_key_and_opens_without_the_old_one() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let webhook = sealed(&acme).await;
    let old = format!("1:{SECRET_KEY}");
    let rotating = operator(&app.database).set("SECRET_KEYS", format!("2:{PEPPER},{old}"));
    let counted = json(&rotating, &["reseal", "--dry-run"]).await;
    assert_eq!((&counted["secrets"], &counted["answers"]), (&json!(2), &json!(1)));
    assert_eq!(keys(&app).await, [1]);
    let done = json(&rotating, &["reseal"]).await;
    assert_eq!(
        (&done["secrets"], &done["answers"], &done["unreadable"]),
        (&json!(2), &json!(1), &json!([]))
    );
    assert_eq!(keys(&app).await, [2]);
    let again = json(&rotating, &["reseal"]).await;
    assert_eq!((&again["secrets"], &again["answers"]), (&json!(0), &json!(0)));

    let only_new = tests::kit::Program::api(
        &app.database.app_url(),
        &[("SECRET_KEYS", &format!("2:{PEPPER}")), ("WEBHOOK_ALLOW_HTTP", "true")],
    )
    .await;
    let acme = acme.through(only_new.url());
    acme.get(&format!("/api/v1/webhooks/{webhook}/secret")).await.ok();
    let log = json(&rotating, &["log"]).await;
    assert_eq!(log[0]["action"], "secrets.resealed");
}

#[tokio::test]
async fn what_does_not_open_is_named_and_left_as_it_is() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let webhook = sealed(&acme).await;
    let without_old = operator(&app.database).set("SECRET_KEYS", format!("2:{PEPPER}"));
    let ended = without_old.run(&["admin", "reseal"]).await;
    assert!(ended.stdout.contains(&format!("webhook {webhook}")), "{ended:?}");
    ended.refused(&["some do not open", "keep the old ones"]);
    assert_eq!(keys(&app).await, [1]);
}
