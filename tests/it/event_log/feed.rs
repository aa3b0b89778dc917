//! Reading the log page by page.

use serde_json::{Value, json};
use shared::scope::Scope;
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, Call, PIPELINES, TestApp};

use super::{EVENTS, follow, numbers, page};

#[tokio::test]
async fn a_tenant_without_a_webhook_has_every_event_with_the_ids_of_the_audit_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let path = format!("{CONTACTS}/{}", ada["id"].as_str().unwrap());
    acme.put(&path, json!({"name": "Ada King"})).await.ok();
    acme.delete(&path).await.no_content();
    app.worker().drain().await.unwrap();

    let (events, next) = page(&acme, "after=0").await;
    assert_eq!((numbers(&events), next), (vec![1, 2, 3], 3));
    let names: Vec<_> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["contact.created", "contact.updated", "contact.deleted"]);
    assert_eq!(events[0]["data"], ada);
    assert_eq!(events[0]["timestamp"], ada["createdAt"]);
    let entries = acme.get("/api/v1/audit-log").await.page();
    for event in &events {
        let entry = entries.items.iter().find(|entry| entry["id"] == event["id"]);
        assert_eq!(entry.expect("an entry with the event's id")["requestId"], event["requestId"]);
        let id = event["id"].as_str().unwrap();
        assert_eq!(acme.get(&format!("{EVENTS}/{id}")).await.ok(), *event);
    }
}

#[tokio::test]
async fn a_delivery_has_the_id_and_the_number_of_its_event() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.*"]).await;
    acme.post("/api/v1/connection/companies", json!({"name": "ACME"})).await.created();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let (events, _) = page(&acme, "event=contact.created").await;
    let sent = subscriber.receiver.only_call().json();
    assert_eq!(sent["occurrenceId"], events[0]["id"]);
    assert_eq!((&sent["sequence"], &events[0]["sequence"]), (&json!(2), &json!(2)));
    assert_eq!(sent["data"], events[0]["data"]);
    let shown = subscriber.only_delivery().await;
    assert_eq!((&shown["sequence"], &shown["occurrenceId"]), (&json!(2), &events[0]["id"]));
}

#[tokio::test]
async fn a_page_begins_behind_a_number_and_says_how_to_go_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 5).await;
    app.worker().drain().await.unwrap();

    let feed = acme.get(&format!("{EVENTS}?after=1&limit=2")).await.ok();
    assert_eq!(numbers(feed["events"].as_array().unwrap()), [2, 3]);
    assert_eq!((&feed["next"], &feed["hasMore"]), (&json!(3), &json!(true)));
    let feed = acme.get(&format!("{EVENTS}?after=3&limit=2")).await.ok();
    assert_eq!((&feed["next"], &feed["hasMore"]), (&json!(5), &json!(false)));
    let feed = acme.get(&format!("{EVENTS}?after=5")).await.ok();
    assert_eq!(feed, json!({"events": [], "next": 5, "hasMore": false}));
    assert_eq!(numbers(&page(&acme, "").await.0), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&follow(&acme, 0, 1).await), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_filter_passes_over_events_but_not_over_numbers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for name in ["contact.created", "lead.created", "contact.deleted", "lead.updated"] {
        app.announce(&acme, name, 1).await;
    }
    app.worker().drain().await.unwrap();

    let (events, next) = page(&acme, "event=lead.*&after=0").await;
    assert_eq!((numbers(&events), next), (vec![2, 4], 4));
    let (events, next) = page(&acme, "event=contact.deleted,lead.created&limit=1").await;
    assert_eq!((numbers(&events), next), (vec![2], 2));
    let (events, next) = page(&acme, "event=company.*").await;
    assert_eq!((numbers(&events), next), (vec![], 4));
}

#[tokio::test]
async fn tenants_number_their_events_each_for_itself() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    for tenant in [&acme, &other, &acme] {
        app.announce(tenant, "contact.created", 2).await;
    }
    app.worker().drain().await.unwrap();

    assert_eq!(numbers(&page(&acme, "").await.0), [1, 2, 3, 4]);
    let theirs = page(&other, "").await.0;
    assert_eq!(numbers(&theirs), [1, 2]);
    let id = theirs[0]["id"].as_str().unwrap();
    acme.get(&format!("{EVENTS}/{id}")).await.problem(404, "NOT_FOUND");
    other.get(&format!("{EVENTS}/{id}")).await.ok();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_every_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let unknown = acme.get(&format!("{EVENTS}?colour=red")).await;
    unknown.problem(400, "VALIDATION_ERROR");
    let bad = "after=-1&event=contact.exploded,*&limit=501";
    let problem = acme.get(&format!("{EVENTS}?{bad}")).await.problem(400, "VALIDATION_ERROR");
    let details = problem["details"].as_object().unwrap();
    assert_eq!(details.keys().collect::<Vec<_>>(), ["after", "event", "limit"]);

    let problem = acme.get(&format!("{EVENTS}?after=1")).await.problem(400, "VALIDATION_ERROR");
    assert!(problem["details"]["after"].as_str().unwrap().contains("beyond"), "{problem}");
    acme.get(&format!("{EVENTS}/1")).await.problem(404, "NOT_FOUND");
    let stranger = acme.with_scopes(&[Scope::ContactsRead]).await;
    for path in ["", "/stream", "/01a2036d-dd90-7db3-b0cb-82fad60cc68f"] {
        stranger.get(&format!("{EVENTS}{path}")).await.problem(403, "INSUFFICIENT_SCOPE");
    }
}

#[tokio::test]
async fn a_page_of_long_events_ends_early_and_none_is_missing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    // 40 KB each, 1.2 MB together.
    let body = "\u{1f4de}".repeat(10_000);
    let note = json!({"type": "note", "subject": "Long", "body": body, "contactId": contact["id"]});
    for _ in 0..30 {
        acme.post(ACTIVITIES, note.clone()).await.created();
    }
    app.worker().relay().await.unwrap();
    let feed = acme.get(&format!("{EVENTS}?after=0&limit=500")).await.ok();
    let shown = feed["events"].as_array().unwrap().len();
    assert!((20..30).contains(&shown) && feed["hasMore"] == true, "{shown}");
    assert_eq!(numbers(&follow(&acme, 0, 500).await), (1..=31).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_can_begin_behind_the_id_of_an_event_too() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    for tenant in [&acme, &other] {
        app.announce(tenant, "contact.created", 3).await;
    }
    app.worker().relay().await.unwrap();
    let (all, _) = page(&acme, "after=0").await;
    let second = all[1]["id"].as_str().unwrap();
    assert_eq!(page(&acme, &format!("after={second}")).await, (all[2..].to_vec(), 3));
    let (theirs, _) = page(&other, "after=0").await;
    for id in [theirs[1]["id"].as_str().unwrap(), "00000000-0000-0000-0000-000000000000"] {
        let answer = acme.get(&format!("{EVENTS}?after={id}")).await;
        answer.invalid(&json!({"after": "Is no event that is kept"}));
    }
}

#[tokio::test]
async fn of_a_webhook_the_feed_shows_what_it_wants_as_it_gets_it() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let subscriber = acme.subscribe(&["contact.*", "pipeline.created"]).await;
    let only = json!({"filter": {"not": {"field": "name", "eq": "Bob"}}, "fields": ["name"]});
    acme.put(&subscriber.path(), only).await.ok();
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    acme.post(COMPANIES, json!({"name": "ACME"})).await.created();
    let stages = json!([{"name": "New", "displayOrder": 0}]);
    acme.post(PIPELINES, json!({"name": "Sales", "stages": stages})).await.created();
    app.worker().drain().await.unwrap();

    let (shown, next) = page(&acme, &format!("after=0&webhook={}", subscriber.id)).await;
    assert_eq!((numbers(&shown), next), (vec![1, 4], 5));
    let mut sent: Vec<_> = subscriber.receiver.calls().iter().map(Call::json).collect();
    sent.sort_by_key(|sent| sent["sequence"].as_i64());
    let data = |events: &[Value]| events.iter().map(|one| one["data"].clone()).collect::<Vec<_>>();
    assert_eq!(data(&shown), data(&sent));
    let path = format!("{EVENTS}?webhook={}", subscriber.id);
    other.get(&path).await.not_found("Webhook not found");
    acme.get(&format!("{EVENTS}?webhook=mine"))
        .await
        .invalid(&json!({"webhook": "Must be a UUID"}));
}
