//! Creating, showing, changing, deleting.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{START, TestApp, WEBHOOKS};
use uuid::Uuid;

use super::{at, sample};

#[tokio::test]
async fn the_documents_own_sample_is_created_and_every_field_comes_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"url": "https://example.com/webhook", "events": ["contact.created", "contact.updated"]});

    let answer = acme.post(WEBHOOKS, body).await;

    let location = answer.header("location").to_owned();
    let webhook = answer.created();
    assert_eq!(
        webhook,
        json!({
            "id": webhook["id"],
            "tenantId": acme.id,
            "url": "https://example.com/webhook",
            "events": ["contact.created", "contact.updated"],
            "active": true,
            "description": null,
            "secret": webhook["secret"],
            "headers": {},
            "clientCertificate": null,
            "filter": null,
            "fields": null,
            "ordering": "none",
            "rateLimit": null,
            "autoRedrive": false,
            "disabledReason": null,
            "health": "healthy",
            "failureStreak": 0,
            "lastSuccessAt": null,
            "lastDeliveryAt": null,
            "version": 1,
            "createdAt": START,
            "updatedAt": START,
        })
    );
    assert_eq!(location, at(&webhook));
    let mut shown = webhook;
    shown["secret"] = masked(&shown);
    assert_eq!(acme.get(&location).await.ok(), shown);
    assert_eq!(acme.get(WEBHOOKS).await.page().items, [shown]);
}

#[tokio::test]
async fn a_webhook_can_be_created_switched_off_and_with_a_note() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "url": "https://example.com", "events": ["*"], "active": false, "description": "  For the shop  ",
    });
    let webhook = acme.post(WEBHOOKS, body).await.created();
    assert_eq!(
        (&webhook["active"], &webhook["description"]),
        (&json!(false), &json!("For the shop"))
    );
    assert_eq!(webhook["url"], "https://example.com/");
}

#[tokio::test]
async fn webhooks_are_listed_newest_first_in_pages() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, sample(&acme).await["id"].clone());
        app.advance(TimeDelta::seconds(1));
    }
    let page = acme.get(&format!("{WEBHOOKS}?pageSize=2")).await.page();
    assert_eq!(page.each("id"), ids[..2]);
    assert_eq!((&page.pagination["total"], &page.pagination["pages"]), (&json!(3), &json!(2)));
    let oldest = acme.get(&format!("{WEBHOOKS}?sort=createdAt")).await.page();
    assert_eq!(
        oldest.each("id"),
        ids.iter().rev().map(|id| id.as_str().unwrap()).collect::<Vec<_>>()
    );
    let later = acme.get(&format!("{WEBHOOKS}?createdAt[gt]={START}")).await.page();
    assert_eq!(later.each("id"), ids[..2]);
}

#[tokio::test]
async fn the_documents_own_change_needs_no_url() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut webhook = sample(&acme).await;
    webhook["secret"] = masked(&webhook);
    app.advance(TimeDelta::minutes(1));
    for method in [Method::PUT, Method::PATCH] {
        let body = json!({"active": true, "events": ["contact.created"]});
        webhook["events"] = json!(["contact.created"]);
        webhook["updatedAt"] = json!("2026-01-02T03:05:05.678Z");
        webhook["version"] = json!(2);
        assert_eq!(acme.call(method, &at(&webhook), Some(body)).await.ok(), webhook);
        assert_eq!(acme.get(&at(&webhook)).await.ok(), webhook);
    }
}

#[tokio::test]
async fn every_field_can_be_changed_and_the_note_cleared() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = at(&sample(&acme).await);
    let body = json!({
        "url": "https://hooks.example.org:8443/in?a=b#top", "events": ["lead.*"], "active": false, "description": "Old",
    });
    let changed = acme.put(&path, body).await.ok();
    assert_eq!(changed["url"], "https://hooks.example.org:8443/in?a=b");
    assert_eq!(
        (&changed["events"], &changed["active"], &changed["description"]),
        (&json!(["lead.*"]), &json!(false), &json!("Old"))
    );
    assert_eq!(
        acme.put(&path, json!({"description": null})).await.ok()["description"],
        Value::Null
    );
}

#[tokio::test]
async fn a_webhook_can_be_sent_back_as_it_was_got() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut webhook = acme.get(&at(&sample(&acme).await)).await.ok();
    webhook["description"] = json!("Edited");
    let edited = acme.put(&at(&webhook), webhook.clone()).await.ok();
    webhook["version"] = json!(2);
    assert_eq!(edited, webhook);
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_the_time_of_the_last_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.get(&at(&sample(&acme).await)).await.ok();
    app.advance(TimeDelta::seconds(1));
    assert_eq!(acme.put(&at(&webhook), webhook.clone()).await.ok(), webhook);
}

#[tokio::test]
async fn a_webhook_that_was_switched_off_forgets_why_when_it_is_switched_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = at(&sample(&acme).await);
    app.database.execute("update webhooks set active = false, disabled_reason = 'gone'").await;
    assert_eq!(acme.get(&path).await.ok()["disabledReason"], "gone");
    let noted = acme.put(&path, json!({"description": "why is it off?"})).await.ok();
    assert_eq!((&noted["active"], &noted["disabledReason"]), (&json!(false), &json!("gone")));
    let active = acme.put(&path, json!({"active": true})).await.ok();
    assert_eq!((&active["active"], &active["disabledReason"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_deleted_webhook_is_gone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (gone, kept) = (sample(&acme).await, sample(&acme).await);

    acme.delete(&at(&gone)).await.no_content();

    acme.get(&at(&gone)).await.not_found("Webhook not found");
    acme.put(&at(&gone), json!({"active": true})).await.not_found("Webhook not found");
    acme.delete(&at(&gone)).await.not_found("Webhook not found");
    acme.get(&format!("{}/events", at(&gone))).await.not_found("Webhook not found");
    assert_eq!(acme.get(WEBHOOKS).await.page().each("id"), [kept["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn an_id_that_names_no_webhook_of_the_tenant_is_not_found() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let foreign = sample(&globex).await;
    let foreign = foreign["id"].as_str().unwrap();
    for id in [foreign, &Uuid::nil().to_string(), "webhook-1"] {
        let path = format!("{WEBHOOKS}/{id}");
        acme.get(&path).await.not_found("Webhook not found");
        acme.put(&path, json!({"active": false})).await.not_found("Webhook not found");
        acme.patch(&path, json!({"active": false})).await.not_found("Webhook not found");
        acme.delete(&path).await.not_found("Webhook not found");
        acme.get(&format!("{path}/events")).await.not_found("Webhook not found");
        let resend = format!("{path}/events/{}/resend", Uuid::nil());
        acme.post(&resend, json!({})).await.not_found("Webhook not found");
    }
    assert_eq!(globex.get(&format!("{WEBHOOKS}/{foreign}")).await.ok()["active"], true);
}

fn masked(webhook: &Value) -> Value {
    let secret = webhook["secret"].as_str().unwrap_or_default();
    json!(format!("whsec_…{}", &secret[secret.len() - 4..]))
}

#[tokio::test]
async fn a_tenant_has_a_thousand_webhooks_at_most_and_room_again_for_each_that_it_deletes() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let made = sample(&acme).await;
    app.database
        .execute(
            "insert into webhooks (tenant_id, id, url, events, secret_enc, secret_hint, created_at, updated_at)
             select tenant_id, gen_random_uuid(), url, events, '', '', now(), now()
             from webhooks, generate_series(1, 997)",
        )
        .await;
    let new = json!({"url": "https://example.com/webhook", "events": ["*"]});
    // All four have begun before the first is told how many there are.
    let turn =
        "select pg_advisory_xact_lock(hashtextextended('webhooks of ' || id, 0)) from tenants";
    let hold = app.database.hold(turn).await;
    let four = join_all([(); 4].map(|()| acme.post(WEBHOOKS, new.clone())));
    let begun = async {
        app.database.waiting(4).await;
        hold.release().await;
    };
    let (answers, ()) = tokio::join!(four, begun);
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 409, 409]);
    let refused = acme.post(WEBHOOKS, new.clone()).await.problem(409, "CONFLICT");
    assert_eq!(refused["error"], "There are 1000 webhooks; delete one that is not needed first");
    other.post(WEBHOOKS, new.clone()).await.created();
    acme.delete(&at(&made)).await.no_content();
    acme.post(WEBHOOKS, new).await.created();
}
