//! Lists of activities: all of them, and those around one record.

use serde_json::{Value, json};
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, LEADS, Tenant, TestApp};

use crate::leads::deal;

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
