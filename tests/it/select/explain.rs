//! Why an event came to a webhook, or did not: as it was decided, whatever has become of the webhook since.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant, TestApp};

use super::{filtered, subscribed};

const EVENTS: &str = "/api/v1/events";

/// The verdicts of the tenant's newest event, with the name of each webhook that has one.
async fn verdicts(acme: &Tenant, names: &[(&str, String)]) -> Vec<(String, Value)> {
    let feed = acme.get(EVENTS).await.ok();
    let event = feed["events"].as_array().unwrap().last().unwrap().clone();
    let path = format!("{EVENTS}/{}/webhooks", event["id"].as_str().unwrap());
    let explanation = acme.get(&path).await.ok();
    assert_eq!(
        (
            &explanation["id"],
            &explanation["event"],
            &explanation["sequence"],
            &explanation["hasMore"]
        ),
        (&event["id"], &event["event"], &event["sequence"], &json!(false))
    );
    let verdicts = explanation["webhooks"].as_array().unwrap().iter();
    verdicts
        .map(|verdict| {
            let id = verdict["webhookId"].as_str().unwrap();
            let name = names.iter().find(|(_, known)| known == id).map(|(name, _)| *name);
            (name.expect(id).to_owned(), verdict.clone())
        })
        .collect()
}

fn short(verdicts: &[(String, Value)]) -> Vec<(&str, &str, &str, bool)> {
    verdicts
        .iter()
        .map(|(name, verdict)| {
            let text = |member: &str| verdict[member].as_str().unwrap_or("-");
            (name.as_str(), text("outcome"), text("reason"), verdict["deleted"] == true)
        })
        .collect()
}

#[tokio::test]
async fn every_webhook_is_told_with_what_was_decided_although_it_is_another_one_now() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let passing = json!({"field": "name", "startsWith": "A"});
    let stopping = json!({"not": passing});
    let gone = acme.subscribe(&["*"]).await;
    acme.delete(&gone.path()).await.no_content();
    let mut made = vec![("gone", gone)];
    for (name, events, change) in [
        ("wanted", "contact.created", json!({})),
        ("family", "contact.*", json!({"filter": passing})),
        ("off", "*", json!({"active": false})),
        ("stopped", "*", json!({"filter": stopping})),
        ("other", "lead.*", json!({"filter": passing})),
        ("both", "lead.*", json!({"active": false})),
        ("doomed", "*", json!({"filter": stopping})),
    ] {
        // One after the other, in the order that answers have.
        app.advance(TimeDelta::seconds(1));
        made.push((name, subscribed(&acme, &[events], &change).await));
    }
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();

    // Everything is turned round.
    app.advance(TimeDelta::seconds(1));
    made.push(("late", acme.subscribe(&["*"]).await));
    let at = |name: &str| made.iter().find(|(known, _)| *known == name).unwrap().1.path();
    acme.put(&at("wanted"), json!({"events": ["lead.*"], "active": false})).await.ok();
    acme.put(&at("family"), filtered(&stopping)).await.ok();
    acme.put(&at("off"), json!({"active": true, "events": ["lead.*"]})).await.ok();
    acme.put(&at("stopped"), json!({"filter": null})).await.ok();
    acme.put(&at("other"), json!({"events": ["*"], "filter": null})).await.ok();
    acme.delete(&at("doomed")).await.no_content();

    let names: Vec<_> = made.iter().map(|(name, one)| (*name, one.id.to_string())).collect();
    let verdicts = verdicts(&acme, &names).await;
    let mut found = short(&verdicts);
    found[..3].sort_unstable();
    assert_eq!(
        found,
        [
            ("family", "matched", "filter_passed", false),
            ("off", "skipped", "webhook_inactive", false),
            ("wanted", "matched", "event_wanted", false),
            ("stopped", "not_matched", "filtered", false),
            ("doomed", "not_matched", "filtered", true),
            ("other", "not_matched", "event_not_wanted", false),
            ("both", "not_matched", "event_not_wanted", false),
            ("late", "not_considered", "webhook_created_later", false),
            ("gone", "not_considered", "webhook_deleted", true),
        ]
    );
    let verdict = |name: &str| &verdicts.iter().find(|(known, _)| known == name).unwrap().1;
    let (wanted, family) = (verdict("wanted"), verdict("family"));
    assert_eq!(
        (&wanted["pattern"], &family["pattern"]),
        (&json!("contact.created"), &json!("contact.*"))
    );
    assert_eq!((&wanted["status"], &wanted["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!(verdict("off")["status"], "skipped");
    assert_eq!(verdict("late")["deliveryId"], Value::Null);
}

#[tokio::test]
async fn a_delivery_says_what_of_its_webhook_let_it_through() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let passing = json!({"field": "name", "startsWith": "A"});
    let (named, family) = (
        acme.subscribe(&["*", "contact.created"]).await,
        subscribed(&acme, &["contact.*", "*"], &filtered(&passing)).await,
    );
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    acme.put(&named.path(), json!({"events": ["lead.*"], "filter": passing})).await.ok();
    for (subscriber, pattern, passed) in
        [(named, "contact.created", Value::Null), (family, "contact.*", json!(true))]
    {
        let why = subscriber.only_delivery().await["why"].take();
        assert_eq!(why, json!({"pattern": pattern, "filterPassed": passed}));
    }
}

#[tokio::test]
async fn a_delivery_that_waits_is_told_with_when_and_why() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500, 500]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    let names = [("one", subscriber.id.to_string())];
    let verdict = verdicts(&acme, &names).await.remove(0).1;
    assert_eq!(
        (&verdict["status"], &verdict["attempts"], &verdict["lastError"], &verdict["nextRetry"]),
        (&json!("pending"), &json!(1), &json!("http_status"), &json!("2026-01-02T03:06:05.678Z"))
    );
    subscriber.switch(false).await;
    let verdict = verdicts(&acme, &names).await.remove(0).1;
    assert_eq!(
        (&verdict["heldReason"], &verdict["nextRetry"], &verdict["reason"]),
        (&json!("webhook_inactive"), &Value::Null, &json!("event_wanted"))
    );
}

#[tokio::test]
async fn an_event_from_before_and_one_of_too_many_webhooks_say_that_it_is_not_recorded() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for _ in 0..101 {
        acme.webhook("https://example.com/", &["lead.*"]).await;
    }
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().relay().await.unwrap();
    let feed = acme.get(EVENTS).await.ok();
    let path = format!("{EVENTS}/{}/webhooks", feed["events"][0]["id"].as_str().unwrap());
    let reasons = async || -> Vec<String> {
        let explanation = acme.get(&path).await.ok();
        let webhooks = explanation["webhooks"].as_array().unwrap().iter();
        webhooks.map(|webhook| webhook["reason"].as_str().unwrap().to_owned()).collect()
    };
    let count =
        |reasons: &[String], reason: &str| reasons.iter().filter(|one| *one == reason).count();
    let all = reasons().await;
    assert_eq!((count(&all, "event_not_wanted"), count(&all, "not_recorded")), (100, 1));

    app.database.execute("update events set unwanted = null").await;
    assert_eq!(count(&reasons().await, "not_recorded"), 101);
}

#[tokio::test]
async fn of_more_than_two_hundred_webhooks_those_that_it_went_to_come_first_and_the_rest_is_said_to_be()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let count = |others: i32| {
        format!(
            "insert into webhooks (tenant_id, id, url, events, secret_enc, secret_hint, created_at, updated_at)
             select id, gen_random_uuid(), 'https://example.com/', array['lead.*'], '\\x00', 'x', created_at, created_at
             from tenants, generate_series(1, {others})"
        )
    };
    app.database.execute(&count(199)).await;
    let wants = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().relay().await.unwrap();
    let feed = acme.get(EVENTS).await.ok();
    let path = format!("{EVENTS}/{}/webhooks", feed["events"][0]["id"].as_str().unwrap());
    for has_more in [false, true] {
        let explanation = acme.get(&path).await.ok();
        assert_eq!(explanation["webhooks"].as_array().unwrap().len(), 200);
        assert_eq!(explanation["webhooks"][0]["webhookId"], json!(wants.id));
        assert_eq!(explanation["hasMore"], json!(has_more));
        app.database.execute(&count(1)).await;
    }
}

#[tokio::test]
async fn an_event_of_nobody_or_of_another_tenant_is_not_explained() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    let feed = acme.get(EVENTS).await.ok();
    let path = format!("{EVENTS}/{}/webhooks", feed["events"][0]["id"].as_str().unwrap());
    other.get(&path).await.not_found("Event not found");
    other
        .get(&format!("{EVENTS}/{}/webhooks", uuid::Uuid::nil()))
        .await
        .not_found("Event not found");
    acme.get(&path).await.ok();
}

#[test]
fn the_guide_explains_every_reason_in_the_codes_order_and_no_other() {
    let known: Vec<String> = api::event_log::explain::Reason::ALL
        .iter()
        .map(|reason| serde_json::to_value(reason).unwrap().as_str().unwrap().to_owned())
        .collect();
    let guide = include_str!("../../../docs/webhooks.md");
    let table = guide.split("| outcome | reason |").nth(1).expect("the guide has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let reasons: Vec<_> = rows.map(|row| row.split('`').nth(3).unwrap()).collect();
    assert_eq!(reasons, known);
    let document = crate::openapi::document();
    let listed = &document["components"]["schemas"]["WebhookReason"]["enum"];
    assert_eq!(listed.as_array().map(Vec::len), Some(known.len()));
}
