//! Deleting, and bringing back within 30 days.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{LEADS, TestApp, with};

use super::{at, deal};
use crate::pipelines::{heard, lead_in, only, pipeline, stage};

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
