//! Everything that a contact leaves behind, planted with a marker, erased and looked for in every table.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::idempotency;
use sqlx::PgPool;
use tests::kit::{
    ACTIVITIES, Answer, CONTACTS, LEADS, Reply, Subscriber, Tenant, TestApp, WEBHOOKS,
};
use worker::steps::Steps;

use super::scan::hits;
use super::{at, erase};

/// What the contact is made of.
const MARK: &str = "Qzvmark";
const PHONE: &str = "+49 155 501-99887";
const MARKS: [&str; 2] = [MARK, "155501998"];

/// The contact, with the marker in every field that takes a text.
fn marked(suffix: &str) -> Value {
    json!({"name": format!("{MARK} {suffix}"), "email": format!("{MARK}.{suffix}@example.com"), "phone": PHONE,
           "company": format!("{MARK} Ltd {suffix}"), "externalId": format!("{MARK}-{suffix}")})
}

/// A receiver that says everything back.
fn echo(status: u16) -> Reply {
    Reply::status(status).echo()
}

struct Webhooks {
    delivering: Subscriber,
    failing: Subscriber,
    off: Subscriber,
    held: Subscriber,
}

async fn webhooks(acme: &Tenant) -> Webhooks {
    let all = ["*", "activity.*"];
    let webhooks = Webhooks {
        delivering: acme.subscribe(&all).await,
        failing: acme.subscribe(&all).await,
        off: acme.subscribe(&all).await,
        held: acme.subscribe(&all).await,
    };
    webhooks.off.switch(false).await;
    webhooks.delivering.receiver.script((0..60).map(|_| echo(200)));
    webhooks.failing.receiver.script((0..200).map(|_| echo(500)));
    webhooks
}

async fn send(acme: &Tenant, query: &str, media_type: &str, body: String) -> Value {
    let request = acme.request(Method::POST, &format!("{CONTACTS}/import{query}"));
    let answer = Answer::to(request.header("content-type", media_type).body(body)).await;
    assert!(answer.status.is_success(), "{:#}", answer.body);
    answer.body["data"].clone()
}

/// Rows that change the contact, and rows about it that fail in every way.
async fn imported(acme: &Tenant, worker: &Steps) -> Vec<Value> {
    let email = format!("{MARK}.two@example.com");
    let rows = json!({"contacts": [
        {"email": email, "company": format!("{MARK} Import")},
        {"email": email, "name": "", "phone": PHONE},
        {"email": format!("{MARK}.one@example.com"), "name": 5},
        {"email": email, "name": "\0"},
    ]});
    let first =
        acme.post_once(&format!("{CONTACTS}/import?mode=upsert"), "import", &rows).await.ok();
    let broken = format!(
        "{{\"name\": \"{MARK} two\", \"email\": \"{email}\"\n[\"{email}\"]\n\"\\u0000 {email}\"\n"
    );
    let second = send(acme, "?mode=upsert", "application/x-ndjson", broken).await;
    let cells = format!("E-Mail,name,phone\n{email},,{PHONE}\nx@example.com,A, B,C,{email}\n");
    let csv = send(acme, "?mode=create&async=true", "text/csv", cells).await;
    let clash = json!({"contacts": [{"name": "x", "externalId": format!("{MARK}-two")}]});
    let third = acme.post(&format!("{CONTACTS}/import"), clash).await.ok();
    let dry = json!({"contacts": [{"name": "", "email": email}]});
    acme.post(&format!("{CONTACTS}/import?dryRun=true"), dry).await.ok();
    worker.import().await.unwrap();
    assert_eq!(
        (&first["failed"], &second["failed"], &third["failed"]),
        (&json!(3), &json!(3), &json!(1))
    );
    vec![first, second, csv, third]
}

async fn activities(acme: &Tenant, contact: &Value) {
    let lead = json!({"title": "40 seats", "status": "new", "contactId": contact["id"]});
    let lead = acme.post(LEADS, lead).await.created();
    let note = |more: Value| {
        let mut note = json!({"type": "note", "subject": format!("{MARK} called"), "body": format!("{MARK} said {PHONE}"),
                              "contactId": contact["id"]});
        note.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        note
    };
    acme.post_once(ACTIVITIES, "note", &note(json!({}))).await.created();
    acme.post(ACTIVITIES, note(json!({"leadId": lead["id"]}))).await.created();
    let past = json!({"occurredAt": "2019-02-03T04:05:06.789Z"});
    acme.post(ACTIVITIES, note(past)).await.created();
    let convert = format!("{LEADS}/{}/convert", lead["id"].as_str().unwrap());
    acme.post_once(&convert, "convert", &json!({})).await.ok();
}

/// Everything that copies a contact, done to one.
async fn live(app: &TestApp, acme: &Tenant, worker: &mut Steps) -> (Value, Webhooks, Vec<Value>) {
    let webhooks = webhooks(acme).await;
    let contact = acme.post_once(CONTACTS, "create", &marked("one")).await.created();
    acme.put(&at(&contact), marked("two")).await.ok();
    worker.drain().await.unwrap();
    let sent = webhooks.delivering.deliveries().await;
    let resend =
        format!("{}/events/{}/resend", webhooks.delivering.path(), sent[0]["id"].as_str().unwrap());
    acme.post_once(&resend, "resend", &json!({})).await.ok();
    let imports = imported(acme, worker).await;
    activities(acme, &contact).await;
    acme.delete(&at(&contact)).await.no_content();
    let restore = format!("{}/restore", at(&contact));
    acme.post_once(&restore, "restore", &json!({})).await.ok();
    webhooks.held.switch(false).await;
    for _ in 0..3 {
        worker.drain().await.unwrap();
        app.advance(TimeDelta::minutes(20));
    }
    webhooks.held.switch(true).await;
    acme.put(&at(&contact), json!({"phone": null})).await.ok();
    worker.relay().await.unwrap();
    webhooks.held.switch(false).await;
    let debug = format!("{}/signature/verify", webhooks.delivering.path());
    acme.post(&debug, json!({"headers": {"webhook-id": MARK}, "body": MARK})).await.ok();
    // Announced and not relayed.
    acme.put(&at(&contact), json!({"company": format!("{MARK} last"), "phone": PHONE})).await.ok();
    (contact, webhooks, imports)
}

/// What has to stay as it was: how many attempts, with which outcomes, taking how long; deliveries; imports.
async fn statistics(admin: &PgPool) -> Vec<String> {
    let rows: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', 'attempts', delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, first_byte_ms,
                          status_code, error_code, error, detail::jsonb->'timings',
                          detail::jsonb->'requestHeaders') from webhook_attempts
         union all
         select concat_ws(' ', 'delivery', id, occurrence_id, sequence, event, status, skip_reason, attempts, cycle, trigger,
                          last_status_code, last_error, request_id, created_at, delivered_at) from webhook_events
         union all
         select concat_ws(' ', 'event', id, sequence, event, record, version, request_id, occurred_at) from events
         union all
         select concat_ws(' ', 'import', id, status, total, processed, created, updated, skipped, failed) from imports
         union all
         select concat_ws(' ', 'row', import_id, row, line, outcome, code, contact_id, version) from import_rows
         union all
         select concat_ws(' ', 'entry', id, actor_type, actor_id, action, record_id, request_id, address, created_at,
                          before is null, after is null) from audit_log
         union all
         select concat_ws(' ', 'activity', id, type, occurred_at, contact_id, lead_id, actor_id, created_at) from activities
         order by 1",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    rows
}

#[tokio::test]
async fn nothing_of_an_erased_contact_is_left_in_any_table_and_what_was_done_stays_known() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut worker = app.worker();
    let (contact, webhooks, imports) = live(&app, &acme, &mut worker).await;
    let admin = app.database.admin();
    let planted = hits(admin, &MARKS).await;
    for table in [
        "contacts.search",
        "outbox.payload",
        "events.payload",
        "webhook_events.body",
        "webhook_attempts.excerpt",
        "webhook_attempts.detail",
        "audit_log.before",
        "audit_log.after",
        "import_rows.input",
        "import_rows.before",
        "activities.subject",
        "activities.body",
    ] {
        assert!(
            planted.iter().any(|hit| hit.contains(table)),
            "{table} is not planted: {planted:#?}"
        );
    }
    let before = statistics(admin).await;

    let done = erase(&app, &worker, &acme, &contact).await;
    assert_eq!(hits(admin, &MARKS).await, Vec::<String>::new());
    assert_eq!(kept_answers(&app, &acme).await, Vec::<String>::new());
    let after = statistics(admin).await;
    let lost: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    for count in
        ["events", "deliveries", "attempts", "auditEntries", "activities", "importRows", "answers"]
    {
        assert!(done[count].as_i64().unwrap() > 0, "{count}: {done:#}");
    }

    bring_back(&app, &acme, &mut worker, (&contact, &webhooks, &imports)).await;
    // The receivers go on saying what they are sent.
    assert_eq!(hits(admin, &MARKS).await, Vec::<String>::new());
}

/// Sealed answers that hold the marker.
async fn kept_answers(app: &TestApp, acme: &Tenant) -> Vec<String> {
    let kept: Vec<(String, String, Vec<u8>)> =
        sqlx::query_as("select principal, key, answer from idempotency_keys")
            .fetch_all(app.database.admin())
            .await
            .unwrap();
    let names: BTreeSet<_> = kept.iter().map(|row| row.1.as_str()).collect();
    assert!(
        ["create", "resend", "restore", "note", "import"].iter().all(|name| names.contains(name)),
        "{names:?}"
    );
    let holds = |(principal, key, answer): &(String, String, Vec<u8>)| {
        let aad = idempotency::aad(acme.id, principal, key);
        let opened = app.api.config.keyring.open(answer, &aad).unwrap();
        String::from_utf8_lossy(opened.expose()).contains(MARK)
    };
    kept.into_iter().filter(holds).map(|row| row.1).collect()
}

#[tokio::test]
async fn another_contact_of_the_same_tenant_keeps_everything() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*", "activity.*"]).await;
    subscriber.receiver.script((0..9).map(|_| echo(200)));
    let mut worker = app.worker();
    let other = acme.post(CONTACTS, marked("other")).await.created();
    let gone = acme.post(CONTACTS, json!({"name": "Gone"})).await.created();
    let note = json!({"type": "note", "subject": "Other", "contactId": other["id"]});
    let note = acme.post(ACTIVITIES, note).await.created();
    worker.drain().await.unwrap();
    let deliveries = subscriber.deliveries().await;

    erase(&app, &worker, &acme, &gone).await;
    assert_eq!(acme.get(&at(&other)).await.ok(), other);
    assert_eq!(
        acme.get(&format!("{ACTIVITIES}/{}", note["id"].as_str().unwrap())).await.ok(),
        note
    );
    let id = &other["id"];
    let about = |all: &[Value]| -> Vec<Value> {
        let about =
            |one: &&Value| [&one["payload"]["id"], &one["payload"]["contactId"]].contains(&id);
        all.iter().filter(about).cloned().collect()
    };
    let kept = about(&deliveries);
    assert_eq!(kept.len(), 2);
    assert_eq!(about(&subscriber.deliveries().await), kept);
    assert!(
        hits(app.database.admin(), &MARKS).await.iter().any(|hit| hit.contains("audit_log.after"))
    );
    let path = format!("{WEBHOOKS}/{}/events?pageSize=100", subscriber.id);
    assert_eq!(acme.get(&path).await.page().items.len(), 3);
}

/// Sends what is pending, resends the rest, repeats a request, downloads failed rows and undoes imports.
async fn bring_back(
    app: &TestApp,
    acme: &Tenant,
    worker: &mut Steps,
    (contact, webhooks, imports): (&Value, &Webhooks, &[Value]),
) {
    webhooks.held.switch(true).await;
    for delivery in webhooks.delivering.deliveries().await {
        if delivery["status"] != "pending" {
            webhooks.delivering.resend(&delivery).await.ok();
        }
    }
    let arrived = [&webhooks.delivering, &webhooks.held].map(|one| one.receiver.calls().len());
    for _ in 0..5 {
        worker.drain().await.unwrap();
        app.advance(TimeDelta::minutes(20));
    }
    for (subscriber, arrived) in [&webhooks.delivering, &webhooks.held].into_iter().zip(arrived) {
        let late = &subscriber.receiver.calls()[arrived..];
        assert!(!late.is_empty());
        for call in late {
            call.assert_signed(&subscriber.secret);
            assert!(!String::from_utf8_lossy(&call.body).contains(MARK), "{call:#?}");
        }
    }
    let again = acme.post_once(CONTACTS, "create", &marked("one")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let again = again.created();
    assert_eq!(
        (&again["id"], &again["name"], &again["erased"]),
        (&contact["id"], &json!(""), &json!(true))
    );
    for import in imports {
        let path = format!("{CONTACTS}/imports/{}", import["id"].as_str().unwrap());
        let csv = acme.get(&format!("{path}/errors.csv")).await;
        assert!(csv.status.is_success() && !csv.body.to_string().contains(MARK), "{}", csv.body);
        acme.post(&format!("{path}/undo"), json!({})).await;
    }
    worker.import().await.unwrap();
    worker.drain().await.unwrap();
}
