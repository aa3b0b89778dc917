//! What a webhook may be made of.

use serde_json::{Value, json};
use tests::kit::{TestApp, WEBHOOKS};

use super::{at, sample};

const EVENTS: [&str; 20] = [
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "company.created",
    "company.updated",
    "company.deleted",
    "lead.created",
    "lead.updated",
    "lead.deleted",
    "pipeline.stage.updated",
    "lead.moved_to_stage",
    "tenant.settings.updated",
    "activity.created",
    "webhook.failing",
    "webhook.recovered",
    "webhook.disabled",
    "contact.erased",
    "pipeline.created",
    "pipeline.updated",
    "pipeline.deleted",
];
const FAMILIES: [&str; 7] =
    ["contact.*", "company.*", "lead.*", "pipeline.*", "tenant.*", "activity.*", "webhook.*"];

#[tokio::test]
async fn every_failing_field_is_named_at_once_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "url": "example.com", "events": [], "active": "yes", "description": "", "secret": "short", "colour": "red",
    });
    acme.post(WEBHOOKS, body.clone()).await.invalid(&json!({
        "url": "Must be a valid absolute URL",
        "events": no_events(),
        "active": "Must be true or false",
        "description": "Must be 1 to 200 characters",
        "secret": "Must be 24 to 64 printable ASCII characters",
        "colour": "Unknown field",
    }));
    acme.post(WEBHOOKS, json!({}))
        .await
        .invalid(&json!({"url": "Is required", "events": "Is required"}));
    assert_eq!(acme.get(WEBHOOKS).await.page().items, [Value::Null; 0]);
}

#[tokio::test]
async fn every_failing_field_of_a_change_is_named_at_once_and_none_takes_effect() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = acme.get(&at(&sample(&acme).await)).await.ok();
    let body =
        json!({"url": null, "events": null, "active": null, "description": 5, "colour": "red"});
    acme.put(&at(&before), body).await.invalid(&json!({
        "url": "Must not be null",
        "events": "Must not be null",
        "active": "Must not be null",
        "description": "Must be a string",
        "colour": "Unknown field",
    }));
    let body = json!({"active": false, "url": "ftp://example.com", "events": ["contact.exploded"]});
    let answer = acme.put(&at(&before), body).await;
    answer.invalid(&json!({"url": "Must use https or http", "events": no_events()}));
    assert_eq!(acme.get(&at(&before)).await.ok(), before);
}

#[tokio::test]
async fn what_a_new_webhook_leaves_open_may_be_absent_or_null() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut body = json!({"url": "https://example.com/", "events": ["*"]});
    let absent = acme.post(WEBHOOKS, body.clone()).await.created();
    let open = [
        "active",
        "autoRedrive",
        "clientCertificate",
        "description",
        "fields",
        "filter",
        "headers",
        "ordering",
        "rateLimit",
        "secret",
    ];
    for name in open {
        body[name] = Value::Null;
    }
    let null = acme.post(WEBHOOKS, body).await.created();
    for name in open.into_iter().filter(|name| *name != "secret") {
        assert_eq!(null[name], absent[name], "{name}");
    }
}

#[tokio::test]
async fn events_are_the_documents_twelve_their_families_and_everything() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for events in [&EVENTS[..], &FAMILIES, &["*"], &["*", "contact.*", "contact.created"]] {
        let body = json!({"url": "https://example.com/", "events": events});
        assert_eq!(acme.post(WEBHOOKS, body).await.created()["events"], json!(events));
    }
}

#[tokio::test]
async fn an_event_that_is_listed_twice_counts_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "url": "https://example.com/", "events": ["lead.created", "contact.created", "lead.created"],
    });
    let webhook = acme.post(WEBHOOKS, body).await.created();
    assert_eq!(webhook["events"], json!(["lead.created", "contact.created"]));
}

#[tokio::test]
async fn events_that_nobody_knows_are_refused_with_those_that_exist() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for events in [
        json!([]),
        json!(["contact.exploded"]),
        json!(["contact.created", "contact.exploded"]),
        json!(["contact"]),
        json!(["Contact.Created"]),
        json!(["pipeline.stage.*"]),
        json!([""]),
        json!([5]),
        json!([null]),
        json!("contact.created"),
        json!({"contact.created": true}),
    ] {
        let body = json!({"url": "https://example.com/", "events": events});
        acme.post(WEBHOOKS, body).await.invalid(&json!({"events": no_events()}));
    }
}

fn no_events() -> String {
    let names = [&EVENTS[..], &["*"], &FAMILIES].concat();
    format!("Must be a list of at least one of {}", names.join(", "))
}
