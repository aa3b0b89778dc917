//! Lists of activities: all of them, and those around one record.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, LEADS, Tenant, TestApp};

use crate::leads::deal;
use crate::pipelines::{pipeline, stage};

fn path(of: &str, record: &Value) -> String {
    format!("{of}/{}", record["id"].as_str().unwrap())
}

async fn write(tenant: &Tenant, subject: &str, kind: &str, day: u8, about: Value) {
    let mut body = about;
    body["subject"] = json!(subject);
    body["type"] = json!(kind);
    body["occurredAt"] = json!(format!("2026-01-{day:02}T00:00:00Z"));
    tenant.post(ACTIVITIES, body).await.created();
}

async fn subjects(tenant: &Tenant, path: &str) -> Vec<String> {
    let page = tenant.get(path).await.page();
    page.each("subject").into_iter().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn each_record_has_its_timeline_the_latest_first_and_it_outlives_nothing_but_the_activities_do()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let lead = deal(&acme).await;
    let (john, globex, it) = (
        json!({"contactId": contact["id"]}),
        json!({"companyId": company["id"]}),
        json!({"leadId": lead["id"]}),
    );
    write(&acme, "mail", "email", 3, john.clone()).await;
    write(&acme, "call", "call", 5, john.clone()).await;
    write(&acme, "visit", "meeting", 4, globex).await;
    let both = json!({"contactId": contact["id"], "leadId": lead["id"]});
    write(&acme, "offer", "note", 1, both).await;
    write(&acme, "task", "task", 2, it).await;
    let of_john = format!("{}/timeline", path(CONTACTS, &contact));
    let of_globex = format!("{}/timeline", path(COMPANIES, &company));
    let of_it = format!("{}/timeline", path(LEADS, &lead));
    assert_eq!(subjects(&acme, &of_john).await, ["call", "mail", "offer"]);
    assert_eq!(subjects(&acme, &of_globex).await, ["visit"]);
    assert_eq!(subjects(&acme, &of_it).await, ["task", "offer"]);
    assert_eq!(subjects(&acme, &format!("{of_john}?sort=occurredAt&pageSize=1")).await, ["offer"]);
    assert_eq!(subjects(&acme, &format!("{of_john}?type[in]=email,note")).await, ["mail", "offer"]);
    let since = "occurredAt[gt]=2026-01-03T00:00:00Z";
    assert_eq!(subjects(&acme, &format!("{of_john}?{since}")).await, ["call"]);
    assert_eq!(subjects(&acme, ACTIVITIES).await, ["call", "visit", "mail", "task", "offer"]);
    let about_it = format!("{ACTIVITIES}?leadId={}&companyId=null", lead["id"].as_str().unwrap());
    assert_eq!(subjects(&acme, &about_it).await, ["task", "offer"]);
    let shown =
        acme.get(&format!("{of_it}?type=note&expand=lead,contact,company")).await.page().items;
    assert_eq!((&shown[0]["leadRecord"], &shown[0]["contactRecord"]), (&lead, &contact));
    assert_eq!(shown[0]["companyRecord"], Value::Null);

    acme.delete(&path(CONTACTS, &contact)).await.no_content();
    acme.delete(&path(COMPANIES, &company)).await.no_content();
    acme.delete(&path(LEADS, &lead)).await.no_content();
    acme.get(&of_john).await.not_found("Contact not found");
    acme.get(&of_globex).await.not_found("Company not found");
    acme.get(&of_it).await.not_found("Lead not found");
    let left = acme.get(ACTIVITIES).await.page().items;
    assert_eq!(left.len(), 5);
    assert_eq!(left[0]["contactId"], contact["id"], "what is gone is still named");
    let answer = acme
        .post(ACTIVITIES, json!({"type": "note", "subject": "late", "contactId": contact["id"]}))
        .await;
    answer.invalid(&json!({"contactId": "No such contact"}));
}

/// Subjects of a timeline, each with the event in the log that has its id.
async fn told(tenant: &Tenant, path: &str, log: &[Value]) -> Vec<(String, String)> {
    let page = tenant.get(&format!("{path}?sort=occurredAt")).await.page();
    let event = |item: &Value| {
        let event = log.iter().find(|event| event["id"] == item["id"]);
        event.map_or("none", |event| event["event"].as_str().unwrap()).to_owned()
    };
    page.items
        .iter()
        .map(|item| (item["subject"].as_str().unwrap().to_owned(), event(item)))
        .collect()
}

#[tokio::test]
async fn an_entry_has_the_id_of_the_event_that_tells_of_it_as_the_log_and_the_audit_log_have() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let lead = deal(&acme).await;
    let path = path(LEADS, &lead);
    write(&acme, "called", "call", 1, json!({"leadId": lead["id"]})).await;
    for body in [json!({"stageId": stage(&sales, "New")}), json!({"stageId": null})] {
        app.advance(TimeDelta::seconds(1));
        acme.put(&path, body).await.ok();
    }
    app.advance(TimeDelta::seconds(1));
    acme.post(&format!("{path}/convert"), json!({})).await.ok();
    app.worker().relay().await.unwrap();

    let (log, _) = crate::event_log::page(&acme, "after=0").await;
    let expected = [
        ("called", "activity.created"),
        ("Moved to New", "lead.moved_to_stage"),
        ("Left New", "lead.updated"),
        ("Converted", "lead.updated"),
    ];
    let expected = expected.map(|(subject, event)| (subject.to_owned(), event.to_owned()));
    assert_eq!(told(&acme, &format!("{path}/timeline"), &log).await, expected);
    let history = acme.get(&format!("{path}/history?sort=at")).await.page();
    let moved = log.iter().find(|event| event["event"] == "lead.moved_to_stage").unwrap();
    assert_eq!(history.items[0]["id"], moved["id"]);
    let audited = acme.get("/api/v1/audit-log?action=activity.created").await.page();
    let note = acme.get(&format!("{ACTIVITIES}?type=call")).await.page();
    assert_eq!(audited.items[0]["id"], note.items[0]["id"]);
}
