//! What a change announces: exactly its event, in its own transaction.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, TestApp, with};

use super::{at, john};

#[tokio::test]
async fn each_change_announces_its_event_with_the_contact_as_it_is_then() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let created = john(&acme).await;
    let path = at(&created);
    app.advance(TimeDelta::seconds(1));
    let change = json!({"name": "Jane Doe", "phone": null, "company": "ACME Corp"});
    let updated = acme.put(&path, change).await.ok();
    app.advance(TimeDelta::seconds(1));
    acme.delete(&path).await.no_content();
    app.advance(TimeDelta::seconds(1));
    let restored = acme.post(&format!("{path}/restore"), json!({})).await.ok();

    let outbox = app.outbox().await;

    let told: Vec<(&str, &Value)> =
        outbox.iter().map(|event| (&*event.event, &event.payload)).collect();
    let previous = json!({"name": "John Doe", "phone": "+1234567890", "phoneE164": "+1234567890"});
    assert_eq!(
        told,
        [
            ("contact.created", &created),
            ("contact.updated", &with(&updated, "previous", previous)),
            ("contact.deleted", &with(&updated, "version", json!(3))),
            ("contact.created", &with(&restored, "restored", json!(true))),
        ]
    );
    assert!(outbox.iter().all(|event| event.tenant_id == acme.id.0));
    let times: Vec<String> =
        outbox.iter().map(|event| shared::clock::rfc3339(event.occurred_at)).collect();
    let second = |second: u8| format!("2026-01-02T03:04:0{second}.678Z");
    assert_eq!(times, [second(5), second(6), second(7), second(8)]);
}

#[tokio::test]
async fn an_event_remembers_the_request_that_caused_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let request = acme.request(reqwest::Method::POST, CONTACTS).header("x-request-id", "import-7");
    Answer::to(request.json(&json!({"name": "Ada"}))).await.created();
    assert_eq!(app.outbox().await[0].request_id.as_deref(), Some("import-7"));
}

#[tokio::test]
async fn a_change_and_its_event_are_one_transaction() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = at(&john(&acme).await);
    same_transaction(&app).await;
    acme.put(&path, json!({"name": "Jane"})).await.ok();
    same_transaction(&app).await;
    acme.delete(&path).await.no_content();
    same_transaction(&app).await;
    acme.post(&format!("{path}/restore"), json!({})).await.ok();
    same_transaction(&app).await;
}

#[tokio::test]
async fn a_change_whose_event_cannot_be_written_does_not_happen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    app.database.execute("alter table outbox add constraint full_up check (false) not valid").await;

    let answers = [
        acme.post(CONTACTS, json!({"name": "Ada"})).await,
        acme.put(&at(&contact), json!({"name": "Jane"})).await,
        acme.delete(&at(&contact)).await,
    ];

    for answer in answers {
        let body = answer.problem(500, "INTERNAL_ERROR");
        assert_eq!(body["error"], "Internal server error");
    }
    assert_eq!(acme.get(CONTACTS).await.page().items, [contact]);
}

/// The last event was written by the transaction that wrote the contact last.
async fn same_transaction(app: &TestApp) {
    let same: bool = sqlx::query_scalar(
        "select (select xmin from contacts)::text = (select xmin from outbox order by id desc limit 1)::text",
    )
    .fetch_one(app.database.admin())
    .await
    .expect("there is one contact");
    assert!(same);
}
