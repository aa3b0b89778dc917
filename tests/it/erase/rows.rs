//! Failed rows of imports that tell of an erased contact, wherever in the row they do.

use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, TestApp};

use super::erase;

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
