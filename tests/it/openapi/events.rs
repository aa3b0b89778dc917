//! What is sent to webhooks is what the document says of each event.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::event::EventType;
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, LEADS, PIPELINES, Tenant, TestApp};
use worker::steps::Steps;

use super::{document, faults};

/// Creates, changes, deletes and restores a record.
async fn live(acme: &Tenant, path: &str, new: Value, change: Value) -> Value {
    let record = acme.post(path, new).await.created();
    let own = format!("{path}/{}", record["id"].as_str().unwrap());
    acme.put(&own, change).await.ok();
    acme.delete(&own).await.no_content();
    acme.post(&format!("{own}/restore"), json!({})).await.ok()
}

/// A webhook that fails, recovers and is gone.
async fn trouble(app: &TestApp, acme: &Tenant, worker: &mut Steps) {
    let ailing = acme.subscribe(&["contact.updated"]).await;
    for answers in [&[500; 20][..], &[500; 20], &[], &[410]] {
        ailing.receiver.forget_script();
        ailing.receiver.script(answers.iter().copied());
        app.announce(acme, "contact.updated", 5).await;
        app.advance(TimeDelta::minutes(2));
        worker.drain().await.unwrap();
    }
    worker.drain().await.unwrap();
}

/// Does what is told by every event there is.
pub(crate) async fn cause_everything(acme: &Tenant) {
    let contact =
        live(acme, CONTACTS, json!({"name": "Ada"}), json!({"email": "ada@example.com"})).await;
    live(acme, COMPANIES, json!({"name": "ACME"}), json!({"employees": 3})).await;
    let new = json!({"title": "40 seats", "status": "new"});
    let lead = live(acme, LEADS, new, json!({"value": 12.5})).await;
    let stages = json!([{"name": "New", "displayOrder": 0}, {"name": "Won", "displayOrder": 1}]);
    let pipeline = json!({"name": "Sales", "stages": stages});
    let pipeline = acme.post(PIPELINES, pipeline).await.created();
    let moving = format!("{LEADS}/{}/move", lead["id"].as_str().unwrap());
    for stage in [0, 1] {
        let stage = &pipeline["stages"][stage]["id"];
        acme.post(&moving, json!({"stageId": stage})).await.ok();
    }
    let pipeline = format!("{PIPELINES}/{}", pipeline["id"].as_str().unwrap());
    acme.put(&pipeline, json!({"name": "Sales Europe"})).await.ok();
    acme.put(&format!("{LEADS}/{}", lead["id"].as_str().unwrap()), json!({"stageId": null}))
        .await
        .ok();
    acme.delete(&pipeline).await.no_content();
    let note = json!({"type": "note", "subject": "Called", "leadId": lead["id"]});
    acme.post(ACTIVITIES, note).await.created();
    acme.put("/api/v1/tenant/settings", json!({"currency": "EUR"})).await.ok();
    let erasing = format!("{CONTACTS}/{}/erase", contact["id"].as_str().unwrap());
    assert_eq!(acme.post(&erasing, json!({})).await.status, 202);
}

/// The schema of an event's body.
fn schema<'a>(document: &'a Value, event: &str) -> &'a Value {
    let body = &document["webhooks"][event]["post"]["requestBody"];
    &body["content"]["application/json"]["schema"]
}

#[tokio::test]
async fn what_a_mask_leaves_of_an_event_is_as_the_document_says() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*", "activity.*", "pipeline.*", "contact.erased"]).await;
    let mask = json!({"fields": ["name", "value", "previous.email", "from.stageId", "to.name", "actor.type"]});
    acme.put(&subscriber.path(), mask).await.ok();
    cause_everything(&acme).await;
    let caused: BTreeSet<_> = app.announced().await.into_iter().collect();
    app.worker().drain().await.unwrap();
    let document = document();
    let mut sent = BTreeSet::new();
    for call in subscriber.receiver.calls() {
        let body = call.json();
        let event = body["event"].as_str().unwrap();
        let faults = faults(&document, schema(&document, event), &body);
        assert!(faults.is_empty(), "{event}: {faults:#?}\n{body:#}");
        sent.insert(event.to_owned());
    }
    assert!(sent.len() > 15, "{sent:?}");
    assert_eq!(sent, caused);
}

#[tokio::test]
async fn every_event_is_sent_as_the_document_says_when_nothing_is_masked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber =
        acme.subscribe(&["*", "activity.*", "pipeline.*", "webhook.*", "contact.erased"]).await;
    cause_everything(&acme).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    worker.erase().await.unwrap();
    worker.drain().await.unwrap();
    acme.put(&subscriber.path(), json!({"events": ["webhook.*"]})).await.ok();
    trouble(&app, &acme, &mut worker).await;

    let document = document();
    let mut sent = BTreeSet::new();
    for call in subscriber.receiver.calls() {
        let body = call.json();
        let event = body["event"].as_str().unwrap().to_owned();
        let operation = &document["webhooks"][&event]["post"];
        let mut schema = schema(&document, &event).clone();
        schema["properties"]["data"] = schema["properties"]["data"]["anyOf"][0].take();
        let faults = faults(&document, &schema, &body);
        assert!(faults.is_empty(), "{event}: {faults:#?}\n{body:#}");
        for header in operation["parameters"].as_array().unwrap() {
            let name = header["name"].as_str().unwrap();
            let value = call.header(name);
            assert!(!value.is_empty() || header["required"] == false, "{event} has no {name}");
            if !value.is_empty() {
                let faults = super::faults(&document, &header["schema"], &value.into());
                assert!(faults.is_empty(), "{event} {name}: {faults:?}");
            }
        }
        sent.insert(event);
    }
    let all: BTreeSet<_> = EventType::ALL.iter().map(|event| event.as_str().to_owned()).collect();
    assert_eq!(sent, all);
}
