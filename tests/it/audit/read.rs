//! Reading: the shape, the filters, and who may.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{Answer, COMPANIES, CONTACTS, LEADS, PIPELINES, START, Tenant, TestApp};

use super::AUDIT;
use crate::contacts::at;

#[tokio::test]
async fn an_entry_says_who_did_what_to_what_and_what_it_was_before() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let member = acme.with_role(Role::Member).await;
    app.advance(TimeDelta::seconds(1));
    let request = member.request(Method::PUT, &at(&contact)).header("x-request-id", "rename-1");
    let renamed = Answer::to(request.json(&json!({"name": "Ada L."}))).await.ok();
    app.advance(TimeDelta::seconds(1));
    acme.delete(&at(&contact)).await.no_content();

    let of_contacts = format!("{AUDIT}?recordId={}", contact["id"].as_str().unwrap());
    let entries = acme.get(&of_contacts).await.page().items;

    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["contact.deleted", "contact.updated", "contact.created"]);
    let updated = &entries[1];
    assert_eq!(
        updated,
        &json!({
            "id": updated["id"],
            "actor": {"type": "user", "id": updated["actor"]["id"]},
            "action": "contact.updated",
            "record": {"type": "contact", "id": contact["id"]},
            "before": {"name": "Ada"},
            "after": {"name": "Ada L."},
            "requestId": "rename-1",
            "address": "127.0.0.1",
            "createdAt": renamed["updatedAt"],
        })
    );
    assert_eq!((&entries[2]["before"], &entries[2]["after"]), (&Value::Null, &contact));
    assert_eq!(entries[2]["createdAt"], START);
    assert_eq!(entries[0]["after"], Value::Null);
    assert_eq!(entries[0]["before"]["name"], "Ada L.");
    let path = format!("{AUDIT}/{}", updated["id"].as_str().unwrap());
    assert_eq!(&acme.get(&path).await.ok(), updated);
    acme.get(&format!("{AUDIT}/nobody")).await.not_found("Audit entry not found");
}

#[tokio::test]
async fn an_entry_has_the_id_of_the_event_that_told_of_the_change() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let entries = acme.get(AUDIT).await.page().items;
    let entry = entries.iter().find(|entry| entry["action"] == "contact.created").unwrap();
    assert_eq!(entry["id"], json!(app.outbox().await[0].event_id));
}

#[tokio::test]
async fn entries_are_found_by_who_what_and_when() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.advance(TimeDelta::hours(1));
    let owner = acme.with_role(Role::Owner).await;
    owner.put(&at(&ada), json!({"name": "Ada L."})).await.ok();
    app.advance(TimeDelta::hours(1));
    let bob = acme.post(CONTACTS, json!({"name": "Bob"})).await.created();
    // The sign-in of the owner has left an entry too.
    let of_contacts = |page: tests::kit::Page| -> Vec<Value> {
        let of_contact = |entry: &Value| entry["record"]["type"] == "contact";
        page.items.into_iter().filter(of_contact).collect()
    };
    let all = of_contacts(acme.get(AUDIT).await.page());
    let (user, key) = (&all[1]["actor"]["id"], &all[0]["actor"]["id"]);
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    for (query, expected) in [
        ("actorType=user".to_owned(), vec![1]),
        ("actorType[in]=user,api_key".to_owned(), vec![0, 1, 2]),
        (format!("actorId={}", text(user)), vec![1]),
        (format!("actorId={}", text(key)), vec![0, 2]),
        ("action=contact.created".to_owned(), vec![0, 2]),
        ("action[in]=contact.updated,contact.deleted".to_owned(), vec![1]),
        (format!("recordId={}", text(&ada["id"])), vec![1, 2]),
        (format!("recordId={}&action=contact.created", text(&bob["id"])), vec![0]),
        ("createdAt[gte]=2026-01-02T04:04:05.678Z".to_owned(), vec![0, 1]),
        ("createdAt[lt]=2026-01-02T04:04:05.678Z".to_owned(), vec![2]),
        ("sort=createdAt".to_owned(), vec![2, 1, 0]),
    ] {
        let found = of_contacts(acme.get(&format!("{AUDIT}?{query}")).await.page());
        let expected: Vec<_> =
            expected.into_iter().map(|place: usize| all[place].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    for query in ["actorType=robot", "recordId=ada", "recordType=contact", "sort=action", "q=Ada"] {
        acme.get(&format!("{AUDIT}?{query}")).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn owners_admins_and_keys_with_the_scope_may_read_it_and_nobody_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for role in [Role::Owner, Role::Admin] {
        acme.with_role(role).await.get(AUDIT).await.page();
    }
    for role in [Role::Member, Role::ReadOnly] {
        acme.with_role(role).await.get(AUDIT).await.problem(403, "INSUFFICIENT_SCOPE");
    }
    acme.with_scopes(&[Scope::AuditRead]).await.get(AUDIT).await.page();
    acme.with_scopes(&[Scope::ContactsRead])
        .await
        .get(AUDIT)
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn nobody_writes_it_over_http() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let entry = acme.get(AUDIT).await.page().items.remove(0);
    let path = format!("{AUDIT}/{}", entry["id"].as_str().unwrap());
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        acme.call(method, &path, Some(json!({}))).await.problem(405, "METHOD_NOT_ALLOWED");
    }
    acme.post(AUDIT, json!({})).await.problem(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn a_deletion_keeps_the_record_as_it_was_and_tells_the_version_of_its_end() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let stages = json!([{"name": "New", "displayOrder": 0}]);
    for (path, body) in [
        (CONTACTS, json!({"name": "Ada"})),
        (COMPANIES, json!({"name": "ACME"})),
        (LEADS, json!({"title": "Deal", "status": "new"})),
        (PIPELINES, json!({"name": "Sales", "stages": stages})),
    ] {
        let record = acme.post(path, body).await.created();
        let path = format!("{path}/{}", record["id"].as_str().unwrap());
        let seen = acme.get(&path).await.ok();
        acme.delete(&path).await.no_content();
        deleted_as_seen(&app, &acme, &seen).await;
    }
    let rows = json!({"contacts": [{"name": "Bob"}]});
    let import = acme.post(&format!("{CONTACTS}/import"), rows).await.ok();
    let seen = acme.get(&format!("{CONTACTS}?name=Bob")).await.page().items.remove(0);
    let undo = format!("{CONTACTS}/imports/{}/undo", import["id"].as_str().unwrap());
    acme.post(&undo, json!({})).await.ok();
    deleted_as_seen(&app, &acme, &seen).await;
}

async fn deleted_as_seen(app: &TestApp, acme: &Tenant, seen: &Value) {
    let entries = format!("{AUDIT}?recordId={}", seen["id"].as_str().unwrap());
    let entries = acme.get(&entries).await.page().items;
    let is_end = |entry: &&Value| entry["action"].as_str().unwrap().ends_with(".deleted");
    let entry = entries.iter().find(is_end).unwrap();
    assert_eq!(&entry["before"], seen);
    let events = app.outbox().await;
    let event = events.iter().find(|event| json!(event.event_id) == entry["id"]).unwrap();
    assert_eq!(event.payload["version"], seen["version"].as_i64().unwrap() + 1);
}
