//! Taking an import back, and sending again what failed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::scope::Role;
use tests::kit::{CONTACTS, TestApp};

use super::formats::with_mapping;
use super::{at, counts, csv, import, named, people, total};
use crate::contacts::at as contact_at;

#[tokio::test]
async fn an_undone_import_leaves_the_contacts_as_they_were_but_for_what_changed_since() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let old = json!({"name": "Old", "email": "old@example.com", "company": "Before"});
    let old = acme.post(CONTACTS, old).await.created();
    let rows = json!([
        {"name": "New", "email": "new@example.com"},
        {"name": "Touched", "email": "touched@example.com"},
        {"email": "old@example.com", "company": "After"},
        {"email": "OLD@example.com", "company": "Later"},
    ]);
    let done = import(&acme, "?mode=upsert", rows).await.ok();
    assert_eq!(counts(&done), [2, 2, 0, 0]);
    let touched = named(&acme, "Touched").await;
    acme.put(&contact_at(&touched), json!({"name": "Mine"})).await.ok();

    let undone = acme.post(&format!("{}/undo", at(&done)), json!({})).await.ok();
    assert_eq!(
        (&undone["status"], &undone["undone"], &undone["kept"]),
        (&json!("undone"), &json!(2), &json!(1))
    );
    let after = acme.get(&contact_at(&old)).await.ok();
    assert_eq!((&after["company"], &after["version"]), (&json!("Before"), &json!(4)));
    assert_eq!(total(&acme).await, 2);
    named(&acme, "Mine").await;
    let events = app.announced().await;
    assert_eq!(events.iter().filter(|event| *event == "contact.deleted").count(), 1);

    let again = acme.post(&format!("{}/undo", at(&done)), json!({})).await.ok();
    assert_eq!(again["undone"], 2, "asking again changes nothing");
    assert_eq!(app.announced().await, events);
}

#[tokio::test]
async fn where_there_is_nothing_to_take_back_nothing_is_written_or_told() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let old = json!({"name": "Old", "email": "old@example.com", "company": "Before"});
    acme.post(CONTACTS, old).await.created();
    let rows = json!([
        {"email": "old@example.com", "company": "After"},
        {"email": "old@example.com", "company": "Before"},
    ]);
    let done = import(&acme, "?mode=upsert", rows).await.ok();
    assert_eq!(counts(&done), [0, 2, 0, 0]);
    let (before, events) = (named(&acme, "Old").await, app.announced().await);
    let undone = acme.post(&format!("{}/undo", at(&done)), json!({})).await.ok();
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(1), &json!(0)));
    assert_eq!(named(&acme, "Old").await, before);
    let told = app.announced().await;
    assert!(!told[events.len()..].contains(&"contact.updated".to_owned()), "{told:?}");
}

#[tokio::test]
async fn what_was_taken_by_another_since_is_not_put_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada", "email": "a@example.com", "externalId": "1"}))
        .await
        .created();
    let rows = json!([{"email": "a@example.com", "externalId": "2"}]);
    let done = import(&acme, "?mode=upsert", rows).await.ok();
    acme.post(CONTACTS, json!({"name": "Bob", "externalId": "1"})).await.created();
    let undone = acme.post(&format!("{}/undo", at(&done)), json!({})).await.ok();
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(0), &json!(1)));
    assert_eq!(named(&acme, "Ada").await["externalId"], "2");
}

#[tokio::test]
async fn a_large_import_is_taken_back_in_the_name_of_whoever_asked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let done = import(&acme, "", people(1_001)).await.body["data"].clone();
    let worker = app.worker();
    worker.import().await.unwrap();
    let person = acme.with_role(Role::Admin).await;
    let undone = person.post(&format!("{}/undo", at(&done)), json!({})).await;
    assert_eq!(undone.status, 202);
    worker.import().await.unwrap();
    let actors: Vec<(String, String)> = sqlx::query_as(
        "select distinct action, actor_type from audit_log where action like 'contact.%' order by 1, 2",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    let expected = [("contact.created", "api_key"), ("contact.deleted", "user")];
    assert_eq!(actors, expected.map(|(action, actor)| (action.to_owned(), actor.to_owned())));
}

#[tokio::test]
async fn an_import_can_be_undone_for_a_day_and_only_if_it_did_something() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let done = import(&acme, "", people(1)).await.ok();
    let time = |name: &str| done[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(time("undoableUntil") - time("finishedAt"), TimeDelta::hours(24));
    app.advance(TimeDelta::hours(24) + TimeDelta::seconds(1));
    acme.post(&format!("{}/undo", at(&done)), json!({})).await.problem(409, "CONFLICT");
    let nothing = import(&acme, "", json!([{"name": 5}])).await.ok();
    assert_eq!(nothing["undoableUntil"], json!(null));
    acme.post(&format!("{}/undo", at(&nothing)), json!({})).await.problem(409, "CONFLICT");
    assert_eq!(total(&acme).await, 1);
}

#[tokio::test]
async fn the_failed_rows_come_back_as_a_file_that_can_be_mended_and_sent_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,email,company\nAda,ada@example.com,\n\"Bob \"\"B\"\"\",nowhere,\"A, B\"\nEve,nobody,\n";
    let done = csv(&acme, "", file).await.ok();
    let answer = acme.get(&format!("{}/errors.csv", at(&done))).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let text = answer.body.as_str().unwrap().to_owned();
    assert_eq!(
        text,
        "name,email,company,_row,_line,_errors\r\n\
         \"Bob \"\"B\"\"\",nowhere,\"A, B\",2,3,email: Invalid email format\r\n\
         Eve,nobody,,3,4,email: Invalid email format\r\n"
    );
    let mended = text.replace("nowhere", "bob@example.com").replace("nobody", "eve@example.com");
    assert_eq!(counts(&csv(&acme, "", &mended).await.ok()), [2, 0, 0, 0]);
    assert_eq!(named(&acme, "Bob \"B\"").await["company"], "A, B");
}

#[tokio::test]
async fn the_failed_rows_keep_mapped_columns_whose_names_begin_with_a_line() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mapping = r#"{"_Who":"name","_Mail":"email"}"#;
    let sent = with_mapping(&acme, mapping, "_Who,_Mail,_note,_row\nBob,nowhere,x,9\n").await.ok();
    let text = acme.get(&format!("{}/errors.csv", at(&sent))).await.body;
    let text = text.as_str().unwrap();
    assert_eq!(
        text,
        "_Mail,_Who,_note,_row,_line,_errors\r\nnowhere,Bob,x,1,2,email: Invalid email format\r\n"
    );
    let again = with_mapping(&acme, mapping, &text.replace("nowhere", "bob@example.com")).await;
    assert_eq!(counts(&again.ok()), [1, 0, 0, 0]);
    assert_eq!(named(&acme, "Bob").await["email"], "bob@example.com");
}
