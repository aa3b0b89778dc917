//! Pipelines and their stages: requirements P-1 to P-11, E-10 and E-13.

mod create;
mod remove;
mod stages;
mod told;

use serde_json::{Value, json};
use tests::kit::{LEADS, PIPELINES, Tenant, TestApp};

/// The path of a pipeline.
pub(crate) fn at(pipeline: &Value) -> String {
    format!("{PIPELINES}/{}", pipeline["id"].as_str().unwrap())
}

/// A pipeline with these stages, in this order.
pub(crate) async fn pipeline(tenant: &Tenant, name: &str, stages: &[&str]) -> Value {
    let stages: Vec<_> = (0..)
        .zip(stages)
        .map(|(place, name): (i32, _)| json!({"name": name, "displayOrder": place}))
        .collect();
    tenant.post(PIPELINES, json!({"name": name, "stages": stages})).await.created()
}

/// The id of a pipeline's stage.
pub(crate) fn stage(pipeline: &Value, name: &str) -> Value {
    let stages = pipeline["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == name).unwrap()["id"].clone()
}

/// A lead in this stage.
pub(crate) async fn lead_in(tenant: &Tenant, stage: &Value) -> Value {
    let body = json!({"title": "Deal", "status": "new", "stageId": stage});
    tenant.post(LEADS, body).await.created()
}

/// What was announced since the outbox was last looked at: event and payload.
pub(crate) async fn heard(app: &TestApp) -> Vec<(String, Value)> {
    let told = app.outbox().await.into_iter().map(|event| (event.event, event.payload)).collect();
    app.database.execute("delete from outbox").await;
    told
}

/// The payloads of one event among these.
pub(crate) fn only(told: &[(String, Value)], event: &str) -> Vec<Value> {
    told.iter().filter(|(name, _)| name == event).map(|(_, payload)| payload.clone()).collect()
}
