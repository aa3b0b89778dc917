//! Deleting, and bringing back within 30 days.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{LEADS, TestApp, with};

use super::{at, deal};
use crate::pipelines::{at as pipeline_at, heard, lead_in, only, pipeline, stage};

#[tokio::test]
async fn a_deleted_lead_is_gone_and_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    acme.delete(&at(&lead)).await.no_content();
    for path in [at(&lead), format!("{}/history", at(&lead)), format!("{}/timeline", at(&lead))] {
        acme.get(&path).await.not_found("Lead not found");
    }
    acme.delete(&at(&lead)).await.not_found("Lead not found");
    assert_eq!(acme.get(LEADS).await.page().items.len(), 0);
    assert_eq!(acme.get(&format!("{LEADS}?q=deal")).await.page().items.len(), 0);
    app.advance(TimeDelta::days(30));

    let restored = acme.post(&format!("{}/restore", at(&lead)), json!({})).await.ok();

    let expected =
        with(&with(&lead, "version", json!(3)), "updatedAt", json!("2026-02-01T03:04:05.678Z"));
    assert_eq!(restored, expected);
    assert_eq!(acme.get(LEADS).await.page().items, [expected]);
    let told = heard(&app).await;
    assert_eq!(only(&told, "lead.deleted"), [with(&lead, "version", json!(2))]);
    assert_eq!(only(&told, "lead.created"), [lead, with(&restored, "restored", json!(true))]);
}

#[tokio::test]
async fn after_thirty_days_a_deleted_lead_stays_gone_and_one_that_is_there_stays_as_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (gone, there) = (deal(&acme).await, deal(&acme).await);
    acme.delete(&at(&gone)).await.no_content();
    app.advance(TimeDelta::days(30) + TimeDelta::milliseconds(1));
    acme.post(&format!("{}/restore", at(&gone)), json!({})).await.not_found("Lead not found");
    assert_eq!(acme.post(&format!("{}/restore", at(&there)), json!({})).await.ok(), there);
}

#[tokio::test]
async fn a_lead_whose_stage_went_while_it_was_deleted_comes_back_with_a_history_without_a_gap() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (sales, other) =
        (pipeline(&acme, "Sales", &["New"]).await, pipeline(&acme, "Other", &["In"]).await);
    let (moved, out) =
        (lead_in(&acme, &stage(&sales, "New")).await, lead_in(&acme, &stage(&other, "In")).await);
    for lead in [&moved, &out] {
        acme.delete(&at(lead)).await.no_content();
    }
    let to = stage(&other, "In");
    let path = format!("{}?moveLeadsTo={}", pipeline_at(&sales), to.as_str().unwrap());
    acme.delete(&path).await.no_content();
    app.advance(TimeDelta::seconds(1));
    heard(&app).await;
    let history = async |lead: &Value| {
        let restored = acme.post(&format!("{}/restore", at(lead)), json!({})).await.ok();
        let steps = acme.get(&format!("{}/history", at(lead))).await.page().items;
        let steps: Vec<_> = steps
            .iter()
            .map(|step| (step["from"]["name"].clone(), step["to"]["stageId"].clone()))
            .collect();
        (restored["stageId"].clone(), steps)
    };

    let (stage_id, steps) = history(&moved).await;
    assert_eq!(stage_id, to);
    assert_eq!(
        steps,
        [(json!("New"), to.clone()), (Value::Null, stage(&sales, "New"))],
        "from where it stood to where the others went"
    );
    let told = heard(&app).await;
    assert_eq!(told.len(), 1, "lead.created says it: {told:#?}");

    // Nothing happened to the stage of this one but that the other came.
    let (_, steps) = history(&out).await;
    assert_eq!(steps, [(Value::Null, to.clone())]);
    for lead in [&moved, &out] {
        acme.delete(&at(lead)).await.no_content();
    }
    acme.delete(&pipeline_at(&other)).await.no_content();
    app.advance(TimeDelta::seconds(1));
    let (stage_id, steps) = history(&out).await;
    assert_eq!((stage_id, &steps[0]), (Value::Null, &(json!("In"), Value::Null)));
    // Another restoration finds nothing more to say.
    acme.delete(&at(&out)).await.no_content();
    assert_eq!(history(&out).await.1, steps);
}

#[tokio::test]
async fn a_lead_comes_back_into_no_stage_that_is_just_being_removed() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let lead = lead_in(&acme, &stage(&sales, "New")).await;
    acme.delete(&at(&lead)).await.no_content();
    // Whoever removes a stage holds it first, and counts its leads.
    let hold = app.database.hold("select from stages for update").await;
    let path = format!("{}/restore", at(&lead));
    let back = acme.post(&path, json!({}));
    tokio::pin!(back);
    tokio::select! {
        answer = &mut back => panic!("it did not wait: {:#}", answer.body),
        () = app.database.waiting(1) => {}
    }
    hold.release().await;
    assert_eq!(back.await.ok()["stageId"], stage(&sales, "New"));
}
