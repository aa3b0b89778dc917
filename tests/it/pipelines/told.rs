//! What receivers hear of a pipeline as a whole (requirement E-13), besides its stages.

use serde_json::{Value, json};
use tests::kit::{Call, Subscriber, Tenant, TestApp, with};

use super::{at, heard, only, pipeline};

/// A pipeline that was renamed and deleted, and what it was each time.
async fn life(tenant: &Tenant) -> [Value; 2] {
    let sales = pipeline(tenant, "Sales", &["New"]).await;
    let renamed = tenant.put(&at(&sales), json!({"name": "Deals"})).await.ok();
    tenant.delete(&at(&sales)).await.no_content();
    [sales, renamed]
}

/// The events that came, in the order of their numbers.
fn names(ear: &Subscriber) -> Vec<String> {
    let mut calls: Vec<_> = ear.receiver.calls().iter().map(Call::json).collect();
    calls.sort_by_key(|sent| sent["sequence"].as_i64());
    calls.iter().map(|sent| sent["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_change_of_a_pipeline_arrives_before_those_of_its_stages() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (family, star) = (acme.subscribe(&["pipeline.*"]).await, acme.subscribe(&["*"]).await);
    life(&acme).await;
    app.worker().drain().await.unwrap();
    let (stage, extension) = ("pipeline.stage.updated", |name: &str| format!("pipeline.{name}"));
    let all = [
        extension("created"),
        stage.to_owned(),
        extension("updated"),
        extension("deleted"),
        stage.to_owned(),
    ];
    assert_eq!(names(&family), all);
    assert_eq!(names(&star), [stage, stage]);
}

#[tokio::test]
async fn it_is_told_as_it_is_read_with_what_an_update_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let [sales, renamed] = life(&acme).await;
    let told = heard(&app).await;
    assert_eq!(only(&told, "pipeline.created"), [sales]);
    let updated = with(&renamed, "previous", json!({"name": "Sales"}));
    assert_eq!(only(&told, "pipeline.updated"), [updated]);
    assert_eq!(only(&told, "pipeline.deleted"), [with(&renamed, "version", json!(3))]);
}

#[tokio::test]
async fn new_stages_are_told_with_those_before_and_nothing_tells_of_no_change() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    heard(&app).await;
    acme.put(&at(&sales), json!({"name": "Sales", "stages": sales["stages"]})).await.ok();
    assert_eq!(heard(&app).await, []);
    let more = json!([sales["stages"][0], {"name": "Won", "displayOrder": 1}]);
    let after = acme.put(&at(&sales), json!({"stages": more})).await.ok();
    let told = only(&heard(&app).await, "pipeline.updated");
    assert_eq!(told, [with(&after, "previous", json!({"stages": sales["stages"]}))]);
}
