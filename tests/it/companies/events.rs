//! The three events, as a subscriber receives them.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{TestApp, with};

use super::{at, globex};

#[tokio::test]
async fn each_change_reaches_the_subscriber_with_the_company_as_it_is_then() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["company.*"]).await;
    let mut worker = app.worker();
    let mut sent = Vec::new();
    let mut receive = async |event: &str| {
        assert_eq!(worker.drain().await.unwrap(), 1, "{event}");
        let call = subscriber.receiver.calls().last().unwrap().clone();
        call.assert_signed(&subscriber.secret);
        assert_eq!((call.header("x-webhook-event"), &call.json()["event"]), (event, &json!(event)));
        sent.push(call.json()["data"].clone());
        app.advance(TimeDelta::seconds(1));
    };

    let created = globex(&acme).await;
    receive("company.created").await;
    let change = json!({"name": "Globex Corp", "employees": null});
    let updated = acme.put(&at(&created), change).await.ok();
    receive("company.updated").await;
    acme.delete(&at(&created)).await.no_content();
    receive("company.deleted").await;
    let restored = acme.post(&format!("{}/restore", at(&created)), json!({})).await.ok();
    receive("company.created").await;

    let previous = json!({"name": "Globex", "employees": 250});
    assert_eq!(
        sent,
        [
            created,
            with(&updated, "previous", previous),
            with(&updated, "version", json!(3)),
            with(&restored, "restored", json!(true)),
        ]
    );
}
