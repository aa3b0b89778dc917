//! The list of a webhook's events, before anything has been delivered. Deliveries have their own tests.

use serde_json::{Value, json};
use tests::kit::{TestApp, WEBHOOKS};
use uuid::Uuid;

use super::{at, sample};

#[tokio::test]
async fn a_fresh_webhook_has_no_events() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let page = acme.get(&format!("{}/events", at(&webhook))).await.page();
    assert_eq!((page.items, &page.pagination["total"]), (vec![], &json!(0)));
}

#[tokio::test]
async fn events_can_be_asked_for_by_status_name_and_time_and_by_nothing_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let events = format!("{}/events", at(&sample(&acme).await));
    for good in [
        "status=pending",
        "status[in]=delivered,failed",
        "event=contact.created",
        "event[in]=contact.created,contact.deleted",
        "event=contact.*,lead.created",
        "createdAt[gte]=2026-01-01T00:00:00Z&createdAt[lt]=2027-01-01T00:00:00Z",
        "sort=createdAt",
        "sort=-createdAt&page=2&pageSize=100",
    ] {
        assert_eq!(
            acme.get(&format!("{events}?{good}")).await.page().items,
            [Value::Null; 0],
            "{good}"
        );
    }
    acme.get(&format!("{events}?status=lost&sort=status&createdAt[gte]=today&q=ada&attempts=1"))
        .await
        .invalid(&json!({
            "status": "Must be one of pending, delivered, failed, skipped",
            "sort": "Must be one of createdAt, with or without a leading -",
            "createdAt[gte]": "Must be a time such as 2026-01-02T03:04:05Z, or a day",
            "q": "Unknown parameter",
            "attempts": "Unknown parameter",
        }));
}

#[tokio::test]
async fn a_family_finds_its_events_and_a_name_that_no_event_has_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    for event in ["contact.created", "contact.deleted", "lead.created"] {
        app.announce(&acme, event, 1).await;
    }
    app.worker().relay().await.unwrap();
    let events = format!("{}/events", subscriber.path());
    for (filter, found) in [
        ("event=contact.*", &["contact.created", "contact.deleted"][..]),
        ("event=contact.*,contact.deleted", &["contact.created", "contact.deleted"]),
        ("event[in]=lead.*,contact.deleted", &["contact.deleted", "lead.created"]),
        ("event=lead.created", &["lead.created"]),
        ("event=company.*", &[]),
    ] {
        let page = acme.get(&format!("{events}?{filter}")).await.page();
        let mut names = page.each("event");
        names.sort_unstable();
        assert_eq!(names, found, "{filter}");
    }
    for name in ["event", "event[in]"] {
        for unknown in ["contact.create", "contact", "*", "", "contact.created,"] {
            let answer = acme.get(&format!("{events}?{name}={unknown}")).await;
            let fault = answer.problem(400, "VALIDATION_ERROR");
            let said = fault["details"][name].as_str().unwrap();
            assert!(said.starts_with("Must be some of contact.created, "), "{unknown}: {said}");
        }
    }
}

#[tokio::test]
async fn an_event_that_does_not_exist_cannot_be_resent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    for event in [&*Uuid::nil().to_string(), "event-1"] {
        let path = format!("{}/events/{event}/resend", at(&webhook));
        acme.post(&path, json!({})).await.not_found("Webhook event not found");
    }
    let nowhere = format!("{WEBHOOKS}/nowhere/events/{}/resend", Uuid::nil());
    acme.post(&nowhere, json!({})).await.not_found("Webhook not found");
}
