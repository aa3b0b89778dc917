//! Imports that the worker carries out.

use axum::body::Bytes;
use chrono::TimeDelta;
use http_body_util::StreamBody;
use reqwest::Method;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp, until};
use worker::imports::Importer;

use super::{IMPORTS, at, counts, import, people, send, total};

/// Whether anything is left of any import.
const LEFT: &str = "select exists (select from import_rows) or exists (select from import_contacts)
                           or exists (select from import_chunks)";

#[tokio::test]
async fn more_than_a_thousand_rows_are_accepted_and_done_by_the_worker() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut rows = people(1200);
    rows[1100] = json!({"name": "Bad", "email": "bad"});
    rows[1101] = rows[3].clone();
    let answer = import(&acme, "?mode=upsert", rows).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let location = answer.header("location").to_owned();
    let begun = &answer.body["data"];
    assert_eq!(
        (&begun["status"], &begun["total"], &begun["processed"]),
        (&json!("queued"), &json!(1200), &json!(1))
    );
    assert_eq!(total(&acme).await, 0);

    app.worker().import().await.unwrap();
    let done = acme.get(&location).await.ok();
    assert_eq!((&done["status"], &done["processed"]), (&json!("completed"), &json!(1200)));
    assert_eq!(counts(&done), [1198, 0, 1, 1]);
    assert_eq!(done["errors"][0]["row"], 1101);
    assert_eq!((total(&acme).await, app.outbox().await.len()), (1198, 1198));
    let actors: Vec<String> = sqlx::query_scalar(
        "select distinct actor_type from audit_log where action = 'contact.created'",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(actors, ["api_key"], "it was the caller who changed them");

    let undone = acme.post(&format!("{}/undo", at(&done)), json!({})).await;
    assert_eq!((undone.status.as_u16(), &undone.body["data"]["status"]), (202, &json!("undoing")));
    app.worker().import().await.unwrap();
    let undone = acme.get(&location).await.ok();
    assert_eq!((&undone["status"], &undone["undone"]), (&json!("undone"), &json!(1198)));
    assert_eq!(total(&acme).await, 0);
}

#[tokio::test]
async fn a_large_dry_run_and_a_failing_atomic_import_leave_no_contact_and_tell_the_rows() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut rows = people(1100);
    rows[700] = rows[3].clone();
    rows[700]["externalId"] = json!("1");
    rows[701]["externalId"] = json!("1");
    for (query, status, expected) in [
        ("?dryRun=true", "completed", [1099, 0, 0, 1]),
        ("?atomic=true", "failed", [0, 0, 0, 1]),
        ("?atomic=true&dryRun=true", "failed", [0, 0, 0, 1]),
    ] {
        let answer = import(&acme, query, rows.clone()).await;
        let location = answer.header("location").to_owned();
        assert_eq!(answer.status, 202);
        app.worker().import().await.unwrap();
        let done = acme.get(&location).await.ok();
        assert_eq!((&done["status"], counts(&done)), (&json!(status), expected), "{done:#}");
        assert_eq!(done["errors"][0]["row"], 702);
        assert_eq!(done["undoableUntil"], json!(null));
    }
    assert_eq!((total(&acme).await, app.outbox().await.len()), (0, 0));
    let fine = import(&acme, "?atomic=true", people(1100)).await;
    assert_eq!(fine.status, 202);
    app.worker().import().await.unwrap();
    assert_eq!((total(&acme).await, app.outbox().await.len()), (1100, 1100));
}

#[tokio::test]
async fn imports_of_two_tenants_take_turns() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    import(&acme, "", people(1500)).await;
    app.advance(TimeDelta::milliseconds(5));
    import(&other, "", people(1001)).await;
    let mut importer = Importer::new(app.worker_db());
    for _ in 0..2 {
        app.advance(TimeDelta::milliseconds(5));
        assert!(importer.advance().await.unwrap());
    }
    assert_eq!((total(&acme).await, total(&other).await), (1000, 1000));
}

#[tokio::test]
async fn an_import_that_arrives_while_another_goes_on_waits_for_one_more_batch_at_most() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    import(&acme, "", people(3500)).await;
    let mut importer = Importer::new(app.worker_db());
    app.advance(TimeDelta::milliseconds(5));
    assert!(importer.advance().await.unwrap());
    import(&other, "", people(1001)).await;
    for _ in 0..2 {
        app.advance(TimeDelta::milliseconds(5));
        assert!(importer.advance().await.unwrap());
    }
    assert_eq!((total(&acme).await, total(&other).await), (2000, 1000));
}

#[tokio::test]
async fn a_worker_goes_on_with_an_import_without_another_claim_while_no_other_is_due() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    import(&acme, "", people(2500)).await;
    let (mut one, mut two) = (Importer::new(app.worker_db()), Importer::new(app.worker_db()));
    assert!(one.advance().await.unwrap());
    // As if another worker had claimed it a moment ago, and not yet begun.
    app.database.execute("update imports set due_at = due_at + interval '1 hour'").await;
    assert!(!two.advance().await.unwrap());
    assert!(one.advance().await.unwrap());
    assert_eq!(total(&acme).await, 2000);
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_stops_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let row = "{\"name\":\"Ada\"}\n".repeat(1500);
    send(&acme, "", "application/x-ndjson", format!("{row}{}", "x".repeat(70_000)))
        .await
        .problem(400, "VALIDATION_ERROR");
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 0);

    let path = format!("{CONTACTS}/import");
    let chunks =
        [Ok(hyper::body::Frame::data(Bytes::from(row))), Err(std::io::Error::other("hung up"))];
    let body = reqwest::Body::wrap(StreamBody::new(futures_util::stream::iter(chunks)));
    let request = acme.request(Method::POST, &path).header("content-type", "application/x-ndjson");
    assert!(request.body(body).send().await.is_err());
    let gone = "select not exists (select from imports)";
    let gone = async || sqlx::query_scalar(gone).fetch_one(app.database.admin()).await.unwrap();
    until("nothing is left of it", gone).await;
    assert_eq!(total(&acme).await, 0);
}

#[tokio::test]
async fn what_an_api_that_died_left_of_an_upload_is_swept_after_an_hour() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let done = import(&acme, "?async=true", people(2)).await.body["data"].clone();
    sqlx::query("update imports set status = 'uploading', due_at = null")
        .execute(app.database.admin())
        .await
        .unwrap();
    let db = app.worker_db();
    assert!(!worker::imports::sweep(&db).await.unwrap());
    app.advance(TimeDelta::minutes(61));
    assert!(worker::imports::sweep(&db).await.unwrap());
    acme.get(&at(&done)).await.not_found("Import not found");
    let left: bool = sqlx::query_scalar(LEFT).fetch_one(app.database.admin()).await.unwrap();
    assert!(!left);
}

#[tokio::test]
async fn an_import_that_is_over_is_kept_with_its_failed_rows_for_thirty_days() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rows = json!([{"name": "Ada"}, {"name": "Bob", "email": "nobody"}]);
    let done = import(&acme, "", rows).await.body["data"].clone();
    assert_eq!((&done["created"], &done["failed"]), (&json!(1), &json!(1)));
    let db = app.worker_db();
    app.advance(TimeDelta::days(30));
    assert!(!worker::imports::sweep(&db).await.unwrap());
    acme.get(&at(&done)).await.ok();
    app.advance(TimeDelta::milliseconds(1));
    assert!(worker::imports::sweep(&db).await.unwrap());
    acme.get(&at(&done)).await.not_found("Import not found");
    let left: bool = sqlx::query_scalar(LEFT).fetch_one(app.database.admin()).await.unwrap();
    assert_eq!((left, total(&acme).await), (false, 1));
}

#[tokio::test]
async fn an_import_that_never_gets_anywhere_is_given_up_and_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let begun = import(&acme, "?async=true", people(2)).await.body["data"].clone();
    let claim = "update imports set claims = 8";
    sqlx::query(claim).execute(app.database.admin()).await.unwrap();
    app.worker().import().await.unwrap();
    let ended = acme.get(&at(&begun)).await.ok();
    assert_eq!(
        (&ended["status"], &ended["error"]),
        (&json!("failed"), &json!("The worker gave up after 8 tries"))
    );
}

#[tokio::test]
async fn a_batch_that_the_database_refuses_ends_the_import_and_what_was_done_can_be_undone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let begun = import(&acme, "", people(2001)).await.body["data"].clone();
    sqlx::raw_sql("alter table contacts add constraint planted check (name <> 'Person 1700')")
        .execute(app.database.admin())
        .await
        .unwrap();
    app.worker().import().await.unwrap();
    let ended = acme.get(&at(&begun)).await.ok();
    assert_eq!((&ended["status"], counts(&ended)), (&json!("failed"), [1000, 0, 0, 0]));
    assert_eq!(total(&acme).await, 1000);
    acme.post(&format!("{}/undo", at(&begun)), json!({})).await;
    app.worker().import().await.unwrap();
    assert_eq!(total(&acme).await, 0);
}

#[tokio::test]
async fn a_repeated_key_imports_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for rows in [3, 1001] {
        let path = format!("{CONTACTS}/import");
        let (key, body) = (format!("k{rows}"), json!({"contacts": people(rows)}));
        let first = acme.post_once(&path, &key, &body).await;
        let second = acme.post_once(&path, &key, &body).await;
        assert_eq!(first.body["data"]["id"], second.body["data"]["id"]);
        assert_eq!(second.header("idempotency-replayed"), "true");
    }
    app.worker().import().await.unwrap();
    assert_eq!(total(&acme).await, 1004);
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 2);
}
