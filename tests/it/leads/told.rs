//! Every event of leads and pipelines, received over HTTP through the real worker (requirements E-7 to E-11).

use serde_json::{Value, json};
use tests::kit::{LEADS, Subscriber, TestApp, with};

use super::at;
use crate::pipelines::{pipeline, stage};

/// The one delivery of a subscriber: its event and its data.
fn received(subscriber: &Subscriber) -> (Value, Value) {
    let call = subscriber.receiver.only_call();
    call.assert_signed(&subscriber.secret);
    let sent = call.json();
    assert_eq!(call.header("x-webhook-event"), sent["event"].as_str().unwrap());
    (sent["event"].clone(), sent["data"].clone())
}

#[tokio::test]
async fn each_event_of_a_lead_and_its_pipeline_arrives_where_it_was_asked_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut ears = Vec::new();
    for event in [
        "lead.created",
        "lead.updated",
        "lead.deleted",
        "lead.moved_to_stage",
        "pipeline.stage.updated",
    ] {
        ears.push(acme.subscribe(&[event]).await);
    }
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let lead =
        acme.post(LEADS, json!({"title": "Deal", "status": "new", "value": 9.5})).await.created();
    let path = format!("{}/move", at(&lead));
    let moved = acme.post(&path, json!({"stageId": stage(&sales, "New")})).await.ok();
    acme.delete(&at(&lead)).await.no_content();

    app.worker().drain().await.unwrap();

    let place = json!({"pipelineId": sales["id"], "stageId": stage(&sales, "New"), "name": "New"});
    let told = with(&with(&moved, "from", Value::Null), "to", place);
    let previous = json!({"pipelineId": null, "stageId": null});
    let stage = json!({
        "pipelineId": sales["id"], "version": 1, "stage": sales["stages"][0], "previous": null, "change": "added",
    });
    let expected = [
        ("lead.created", lead),
        ("lead.updated", with(&moved, "previous", previous)),
        ("lead.deleted", with(&moved, "version", json!(3))),
        ("lead.moved_to_stage", told),
        ("pipeline.stage.updated", stage),
    ];
    for (ear, (event, data)) in ears.iter().zip(expected) {
        assert_eq!(received(ear), (json!(event), data));
    }
}

#[tokio::test]
async fn an_extension_is_heard_by_name_or_family_and_not_by_a_star() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let by_name = acme.subscribe(&["activity.created"]).await;
    let by_family = acme.subscribe(&["lead.deleted", "activity.*"]).await;
    let by_both = acme.subscribe(&["*", "activity.created"]).await;
    let by_star = acme.subscribe(&["*"]).await;
    let lead = acme.post(LEADS, json!({"title": "Deal", "status": "new"})).await.created();
    let body = json!({"type": "note", "subject": "Called", "leadId": lead["id"]});
    let activity = acme.post(tests::kit::ACTIVITIES, body).await.created();

    app.worker().drain().await.unwrap();

    let mut told = activity;
    told["version"] = json!(1);
    for ear in [&by_name, &by_family] {
        assert_eq!(received(ear), (json!("activity.created"), told.clone()));
    }
    let names = |ear: &Subscriber| {
        let mut names: Vec<_> = ear
            .receiver
            .calls()
            .iter()
            .map(|call| call.header("x-webhook-event").to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&by_both), ["activity.created", "lead.created"]);
    assert_eq!(names(&by_star), ["lead.created"]);
}
