//! Masks: what is not named never appears on the wire, and what is named appears byte for byte.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Subscriber, TestApp};

use super::{arrived, subscribed, tell};
use crate::openapi::{document, events::cause_everything};

/// Webhooks with a mask each.
const MASKS: usize = 40;

/// Every name that a mask can have, as the document says.
fn names() -> Vec<String> {
    let schema = &document()["components"]["schemas"]["NewWebhook"]["properties"]["fields"];
    serde_json::from_value(schema["items"]["enum"].clone()).expect("the document names them")
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// The members of `whole` that a mask leaves, as texts by path: what the guide says, written down a second time.
fn left(whole: &str, mask: &[String]) -> BTreeMap<String, String> {
    let whole = members(whole).unwrap();
    let named = |path: &str| mask.iter().any(|name| name == path);
    let identity: &[&str] = if whole.contains_key("id") {
        &["id", "version", "erased"]
    } else {
        &["pipelineId", "tenantId", "version", "erased"]
    };
    let mut left = BTreeMap::new();
    for (name, value) in &whole {
        if named(name) || identity.contains(&name.as_str()) {
            left.insert(name.clone(), value.get().to_owned());
            continue;
        }
        for (part, value) in members(value.get()).unwrap_or_default() {
            let path = format!("{name}.{part}");
            if named(&path) || name == "previous" && named(&part) {
                left.insert(path, value.get().to_owned());
            }
        }
    }
    left
}

/// The members that arrived, of masked objects their parts, as texts by path.
fn found(data: &str, mask: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in members(data).unwrap() {
        let whole = mask.contains(&name) || members(value.get()).is_none();
        if whole {
            found.insert(name, value.get().to_owned());
        } else {
            let parts = members(value.get()).unwrap();
            assert!(!parts.is_empty(), "{name} is empty in {data}");
            found.extend(
                parts
                    .iter()
                    .map(|(part, value)| (format!("{name}.{part}"), value.get().to_owned())),
            );
        }
    }
    found
}

/// The `data` of each event that arrived, as it was written, by the event's id.
fn told(subscriber: &Subscriber) -> BTreeMap<String, String> {
    let calls = subscriber.receiver.calls();
    let each = calls.iter().map(|call| {
        let body: Members<'_> = serde_json::from_slice(&call.body).unwrap();
        let occurrence: String = serde_json::from_str(body["occurrenceId"].get()).unwrap();
        (occurrence, body["data"].get().to_owned())
    });
    each.collect()
}

#[tokio::test]
async fn no_member_outside_the_mask_ever_appears_on_the_wire_and_those_inside_are_as_they_were() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut random = StdRng::seed_from_u64(20_261_128);
    let names = names();
    assert!(names.len() > 50, "{names:?}");
    let whole = acme.subscribe(&["*", "activity.*", "pipeline.*", "contact.erased"]).await;
    let mut masked = Vec::new();
    for _ in 0..MASKS {
        let size = random.random_range(0..8);
        let mask: Vec<String> =
            names.iter().sample(&mut random, size).into_iter().cloned().collect();
        masked.push((
            subscribed(
                &acme,
                &["*", "activity.*", "pipeline.*", "contact.erased"],
                &json!({"fields": mask}),
            )
            .await,
            mask,
        ));
    }
    cause_everything(&acme).await;
    app.worker_with(|config| config.caps.per_tenant = 128).drain().await.unwrap();

    let whole = told(&whole);
    let feed = acme.get("/api/v1/events?limit=500").await.ok();
    assert_eq!(whole.len(), feed["events"].as_array().unwrap().len(), "the log is not masked");
    let (mut members, mut parts) = (0, 0);
    for (subscriber, mask) in masked {
        let told = told(&subscriber);
        assert_eq!(told.len(), whole.len());
        for (event, data) in told {
            let (found, left) = (found(&data, &mask), left(&whole[&event], &mask));
            assert_eq!(found, left, "{mask:?} of {}", whole[&event]);
            members += found.len();
            parts += found.keys().filter(|name| name.contains('.')).count();
        }
    }
    assert!(members > 2000 && parts > 30, "{members} members, {parts} of them inside others");
}

#[tokio::test]
async fn a_thin_payload_says_which_record_changed_and_nothing_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let thin = subscribed(
        &acme,
        &["*", "activity.*", "pipeline.*", "contact.erased"],
        &json!({"fields": []}),
    )
    .await;
    cause_everything(&acme).await;
    app.worker().drain().await.unwrap();
    let calls = thin.receiver.calls();
    let feed = acme.get("/api/v1/events?limit=500").await.ok();
    assert_eq!(calls.len(), feed["events"].as_array().unwrap().len(), "each change is told");
    for call in calls {
        let body = call.json();
        let record = match body["event"].as_str().unwrap() {
            "pipeline.stage.updated" => "pipelineId",
            "tenant.settings.updated" => "tenantId",
            _ => "id",
        };
        let data = body["data"].as_object().unwrap();
        let names: Vec<_> = data.keys().map(String::as_str).collect();
        let mut expected = vec![record, "version"];
        // An event without it would look like one of somebody without a name.
        expected.extend(data.contains_key("erased").then_some("erased"));
        expected.sort_unstable();
        assert_eq!(names, expected, "{body:#}");
        assert!(data["version"].as_i64().unwrap() >= 1, "{body:#}");
        call.assert_signed(&thin.secret);
    }
}

#[tokio::test]
async fn numbers_and_texts_keep_their_form_and_without_a_mask_so_does_the_whole_body() {
    let data = r#"{"id":"x","value":12345678901234567890.10, "title":"\u00fc\/ \ud83d\ude00","status":1e2,"previous":{"value":0.0}}"#;
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let whole = acme.subscribe(&["*"]).await;
    let masked = subscribed(&acme, &["*"], &json!({"fields": ["value", "title", "status"]})).await;
    tell(&app, &acme, "lead.updated", data).await;
    app.worker().drain().await.unwrap();
    let sent = told(&whole).into_values().next().unwrap();
    assert_eq!(sent, data, "byte for byte, the blank included");
    let sent = told(&masked).into_values().next().unwrap();
    assert_eq!(sent, data.replace(", ", ","));
}

#[tokio::test]
async fn a_new_mask_holds_for_later_events_and_a_resend_sends_the_bytes_of_the_first_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = subscribed(&acme, &["*"], &json!({"fields": ["name"]})).await;
    let mut worker = app.worker();
    acme.post(CONTACTS, json!({"name": "Ada", "email": "ada@example.com"})).await.created();
    worker.drain().await.unwrap();
    acme.put(&subscriber.path(), json!({"fields": ["email"]})).await.ok();
    let first = subscriber.only_delivery().await;
    assert_eq!(first["payload"].as_object().unwrap().len(), 3, "what was sent is shown");
    subscriber.resend(&first).await.ok();
    app.advance(chrono::TimeDelta::milliseconds(1));
    acme.post(CONTACTS, json!({"name": "Grace", "email": "grace@example.com"})).await.created();
    worker.drain().await.unwrap();

    let mut calls = subscriber.receiver.calls();
    calls.sort_by_key(|call| call.json()["sequence"].as_i64());
    assert_eq!(calls[0].body, calls[1].body);
    let data = |at: usize| arrived_in(&calls[at].json());
    assert_eq!(
        (data(0), data(2)),
        (json!(["id", "name", "version"]), json!(["email", "id", "version"]))
    );
    assert_eq!(arrived(&subscriber).len(), 3);
}

fn arrived_in(body: &Value) -> Value {
    json!(body["data"].as_object().unwrap().keys().collect::<Vec<_>>())
}
