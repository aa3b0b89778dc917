//! Asking for an erasure, and what is told of it.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{ACTIVITIES, Answer, COMPANIES, CONTACTS, Call, LEADS, TestApp};

use super::{ask, at, begun, erase, finished, path};

#[tokio::test]
async fn an_erased_contact_is_gone_at_once_for_everyone_and_cannot_be_brought_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = acme.post(COMPANIES, json!({"name": "ACME"})).await.created();
    let new = json!({"name": "Ada", "email": "ada@example.com", "companyId": company["id"]});
    let contact = acme.post(CONTACTS, new).await.created();
    let lead = json!({"title": "Deal", "status": "new", "contactId": contact["id"]});
    let lead = acme.post(LEADS, lead).await.created();

    begun(&ask(&acme, &contact).await);
    acme.get(&at(&contact)).await.problem(404, "NOT_FOUND");
    acme.put(&at(&contact), json!({"name": "Eve"})).await.problem(404, "NOT_FOUND");
    acme.delete(&at(&contact)).await.problem(404, "NOT_FOUND");
    acme.post(&format!("{}/restore", at(&contact)), json!({})).await.problem(404, "NOT_FOUND");
    assert_eq!(acme.get(&format!("{CONTACTS}?q=ada")).await.page().items, Vec::<Value>::new());
    let lead = format!("{LEADS}/{}?expand=contact", lead["id"].as_str().unwrap());
    let lead = acme.get(&lead).await.ok();
    assert_eq!((&lead["contactId"], &lead["contactRecord"]), (&contact["id"], &json!(null)));
    let note = json!({"type": "note", "subject": "Ada", "contactId": contact["id"]});
    let refused = acme.post(ACTIVITIES, note).await.problem(400, "VALIDATION_ERROR");
    assert_eq!(refused["details"]["contactId"], "No such contact");
    // Its company may be renamed, and its address be another's.
    acme.put(&format!("{COMPANIES}/{}", company["id"].as_str().unwrap()), json!({"name": "New"}))
        .await
        .ok();
    acme.post(CONTACTS, json!({"name": "Bob", "email": "ada@example.com"})).await.created();
    let name: String = sqlx::query_scalar("select name from contacts where id = $1::uuid")
        .bind(contact["id"].as_str().unwrap())
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(name, "");
}

#[tokio::test]
async fn a_contact_that_was_deleted_long_ago_can_be_erased_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    acme.delete(&at(&contact)).await.no_content();
    app.advance(TimeDelta::days(31));
    let worker = app.worker();
    let done = erase(&app, &worker, &acme, &contact).await;
    assert_eq!((&done["recordType"], &done["recordId"]), (&json!("contact"), &contact["id"]));
    assert_eq!(done["auditEntries"], 2);
    let events = app.announced().await;
    assert_eq!(events, ["contact.created", "contact.deleted", "contact.erased"]);
}

#[tokio::test]
async fn receivers_are_told_and_what_was_on_its_way_comes_without_the_person() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let all = acme.subscribe(&["*"]).await;
    let named = acme.subscribe(&["contact.erased"]).await;
    let new = json!({"name": "Ada", "email": "ada@example.com"});
    let contact = acme.post(CONTACTS, new).await.created();
    let worker = &mut app.worker();
    worker.relay().await.unwrap();
    erase(&app, worker, &acme, &contact).await;
    worker.drain().await.unwrap();

    let mut calls = all.receiver.calls();
    calls.sort_by_key(|call| call.json()["sequence"].as_i64());
    let [created, deleted] = &calls[..] else { panic!("{calls:#?}") };
    created.assert_signed(&all.secret);
    let left = |version: i64, updated: &Value| {
        json!({"id": contact["id"], "tenantId": contact["tenantId"], "name": "", "email": null, "phone": null,
               "phoneE164": null, "company": null, "companyId": null, "externalId": null, "version": version,
               "createdAt": contact["createdAt"], "updatedAt": updated, "erased": true})
    };
    assert_eq!(created.json()["data"], left(1, &contact["updatedAt"]));
    assert_eq!(created.json()["event"], "contact.created");
    assert_eq!(deleted.json()["data"], left(2, &deleted.json()["data"]["updatedAt"]));
    assert_eq!(deleted.json()["event"], "contact.deleted");
    let told = named.receiver.only_call().json();
    assert_eq!(told["event"], "contact.erased");
    let members: Vec<_> = told["data"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["erased", "erasedAt", "id", "tenantId", "version"]);
    let feed = acme.get("/api/v1/events?after=0").await.ok();
    assert_eq!(feed["events"][0]["data"], left(1, &contact["updatedAt"]));
    assert_eq!(feed["events"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_webhook_that_had_the_person_by_a_filter_is_told_of_the_erasure_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (subscriber, mut worker) = (acme.subscribe(&["*", "contact.erased"]).await, app.worker());
    let filter = json!({"filter": {"field": "company", "eq": "ACME"}});
    acme.put(&subscriber.path(), filter).await.ok();
    let ada = acme.post(CONTACTS, json!({"name": "Ada", "company": "ACME"})).await.created();
    worker.drain().await.unwrap();
    erase(&app, &worker, &acme, &ada).await;
    worker.drain().await.unwrap();
    let mut told: Vec<_> = subscriber.receiver.calls().iter().map(Call::json).collect();
    told.sort_by_key(|call| call["sequence"].as_i64());
    let events: Vec<_> = told.iter().map(|call| call["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["contact.created", "contact.deleted", "contact.erased"]);
    let feed = format!("/api/v1/events?webhook={}", subscriber.id);
    // What was created has nothing left to pass by.
    assert_eq!(acme.get(&feed).await.ok()["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_audit_log_says_who_erased_and_nothing_of_whom() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.advance(TimeDelta::seconds(1));
    acme.put(&at(&contact), json!({"name": "Grace"})).await.ok();
    app.advance(TimeDelta::seconds(1));
    erase(&app, &app.worker(), &acme, &contact).await;
    let log = format!("/api/v1/audit-log?recordId={}", contact["id"].as_str().unwrap());
    let entries = acme.get(&log).await.page();
    assert_eq!(entries.each("action"), ["contact.erased", "contact.updated", "contact.created"]);
    let erased = json!({"erased": true});
    let shown: Vec<_> =
        entries.items.iter().map(|entry| (&entry["before"], &entry["after"])).collect();
    let nothing = json!(null);
    assert_eq!(shown, [(&nothing, &nothing), (&erased, &erased), (&nothing, &erased)]);
    assert!(entries.items.iter().all(|entry| entry["actor"]["type"] == "api_key"));
}

#[tokio::test]
async fn asking_twice_is_one_erasure_and_trying_is_none() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let erasing = format!("{}/erase", at(&contact));
    let tried = acme.post(&format!("{erasing}?dryRun=true"), json!({})).await;
    assert_eq!(tried.status, 202);
    acme.get(&at(&contact)).await.ok();
    let request = acme.request(Method::POST, &erasing).header("if-match", "\"7-x\"");
    assert_eq!(Answer::to(request).await.status, 412);

    let first = begun(&acme.post_once(&erasing, "key", &json!({})).await);
    let again = acme.post_once(&erasing, "key", &json!({})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(begun(&again)["id"], first["id"]);
    assert_eq!(begun(&ask(&acme, &contact).await)["id"], first["id"]);
    let done = finished(&app, &app.worker(), &acme, &first).await;
    assert_eq!(begun(&ask(&acme, &contact).await), done);
    assert!(done["finishedAt"].is_string());
    let events = app.announced().await;
    assert_eq!(events.iter().filter(|event| *event == "contact.erased").count(), 1);
}

#[tokio::test]
async fn erasing_takes_a_right_of_its_own_and_a_contact_of_ones_own() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let writer = acme.with_scopes(&[Scope::ContactsRead, Scope::ContactsWrite]).await;
    for refused in
        [&writer, &acme.with_role(Role::Member).await, &acme.with_role(Role::ReadOnly).await]
    {
        let fault = ask(refused, &contact).await.problem(403, "INSUFFICIENT_SCOPE");
        assert_eq!(fault["details"]["scope"], "contacts:erase");
    }
    ask(&other, &contact).await.problem(404, "NOT_FOUND");
    acme.get(&at(&contact)).await.ok();
    let erasure = begun(&ask(&acme.with_role(Role::Admin).await, &contact).await);
    other.get(&path(&erasure)).await.problem(404, "NOT_FOUND");
    acme.get("/api/v1/erasures/01a2036c-0ba7-71c1-a434-1fbdf72a5c13")
        .await
        .problem(404, "NOT_FOUND");
    let missing = json!({"id": "01a2036c-0ba7-71c1-a434-1fbdf72a5c13"});
    ask(&acme, &missing).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_database_itself_refuses_to_fill_an_erased_row() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    begun(&ask(&acme, &contact).await);
    for set in
        ["name = 'Ada'", "email = 'ada@example.com'", "deleted_at = null", "phone_e164 = '+1'"]
    {
        let sql = format!("update contacts set {set} where erased_at is not null");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(app.database.admin()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("contacts_erased_is_empty"), "{set}: {refused}");
    }
}

#[tokio::test]
async fn an_erasure_that_has_failed_for_days_is_still_tried_and_keeps_no_other_waiting() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let erasure = begun(&ask(&acme, &ada).await);
    app.database.execute("update erasures set claims = 5000").await;
    finished(&app, &app.worker(), &acme, &erasure).await;
}
