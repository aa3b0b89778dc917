//! Failed rows of imports that tell of an erased contact, wherever in the row they do.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, TestApp, until};

use super::{ask, begun, erase, path};

#[tokio::test]
async fn a_failed_row_is_erased_wherever_it_names_the_contact_and_kept_where_it_does_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker();
    let contact = json!({"name": "Al", "email": "Al.Q@example.com", "phone": "+4930123456", "externalId": "77"});
    let contact = acme.post(CONTACTS, contact).await.created();
    let about = [
        r#"{"name": "x", "more": {"list": [1, ["AL.Q@example.com"]]}}"#,
        r#"{"name": "x", "note": "He said to write to al.q@EXAMPLE.com, or \"nobody\""}"#,
        r#"{"email": "\tal.q@example.com\u00a0", "name": ""}"#,
        r#"{"name": "x", "more": {"no": "\u2003 77\n"}}"#,
        r#"{"name": "x", "more": {"no": 77}}"#,
        r#"{"al.q@example.com": true}"#,
        r#"["\\\"", {"a": "al"}]"#,
        r#"{"name": "x", "more": "\u0000al.q@example.com"}"#,
        r#"{"name": "al.q@example.com""#,
    ];
    let others = [
        r#"{"name": "Alan", "more": {"no": "177", "text": "Al and 77 say nothing"}}"#,
        r#"{"name": "x", "email": "al.q@example.org", "more": [-1.5e-3, true, null]}"#,
        "7",
    ];
    let file = [&about[..], &others[..]].concat().join("\n");
    let request = acme.request(Method::POST, &format!("{CONTACTS}/import"));
    let import = request.header("content-type", "application/x-ndjson").body(file);
    assert_eq!(Answer::to(import).await.ok()["failed"], about.len() + others.len());

    let done = erase(&app, &worker, &acme, &contact).await;
    assert_eq!(done["importRows"], about.len());
    let kept = "select input::text from import_rows where input is not null order by row";
    let kept: Vec<String> = sqlx::query_scalar(kept).fetch_all(app.database.admin()).await.unwrap();
    assert_eq!(kept, others);
    // Nor is it among the names of members that were not known.
    let named =
        "select count(*) from import_rows where lower(details::text) like '%al.q@example.com%'";
    let named: i64 = sqlx::query_scalar(named).fetch_one(app.database.admin()).await.unwrap();
    assert_eq!(named, 0);
}

#[tokio::test]
async fn long_failed_rows_are_erased_a_few_at_a_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = json!({"name": "Al", "email": "al.q@example.com"});
    let contact = acme.post(CONTACTS, contact).await.created();
    let row =
        json!({"name": "x", "note": "al.q@example.com", "more": "x".repeat(60_000)}).to_string();
    let request = acme.request(Method::POST, &format!("{CONTACTS}/import"));
    let import =
        request.header("content-type", "application/x-ndjson").body(vec![row; 40].join("\n"));
    assert_eq!(Answer::to(import).await.ok()["failed"], 40);

    let erasure = begun(&ask(&acme, &contact).await);
    let (db, erased) = (app.worker_db(), std::sync::Mutex::new(Vec::new()));
    until("it is completed", async || {
        app.advance(TimeDelta::seconds(1));
        worker::erasures::advance(&db, &app.api.config.keyring).await.unwrap();
        let gone = "select count(*) from import_rows where input is null";
        let gone: i64 = sqlx::query_scalar(gone).fetch_one(app.database.admin()).await.unwrap();
        erased.lock().unwrap().push(gone);
        acme.get(&path(&erasure)).await.ok()["status"] == "completed"
    })
    .await;
    let erased = erased.into_inner().unwrap();
    assert_eq!(erased.last(), Some(&40));
    let steps = erased.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.max() < Some(20), "a step looks at a MiB of rows: {erased:?}");
}
