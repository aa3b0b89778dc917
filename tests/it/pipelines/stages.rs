//! Changing stages: the list is the desired one.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{LEADS, Tenant, TestApp};
use uuid::Uuid;

use super::{at, heard, lead_in, only, pipeline, stage};

async fn with_stages(tenant: &Tenant, pipeline: &Value, stages: Value) -> Value {
    tenant.put(&at(pipeline), json!({"stages": stages})).await.ok()
}

#[tokio::test]
async fn stages_are_known_by_id_else_by_name_and_each_change_is_told_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won", "Lost"]).await;
    heard(&app).await;
    app.advance(TimeDelta::seconds(1));
    let wanted = json!([
        {"name": "won", "displayOrder": 7},
        {"id": stage(&sales, "Lost"), "name": "Lost for good", "displayOrder": 8},
        {"name": "Qualified", "displayOrder": 1},
    ]);

    let after = with_stages(&acme, &sales, wanted).await;

    let (won, lost) = (stage(&sales, "Won"), stage(&sales, "Lost"));
    let qualified = stage(&after, "Qualified");
    assert_eq!(
        after["stages"],
        json!([
            {"id": qualified, "name": "Qualified", "displayOrder": 1},
            {"id": won, "name": "won", "displayOrder": 7},
            {"id": lost, "name": "Lost for good", "displayOrder": 8},
        ])
    );
    assert_eq!(
        (&after["version"], &after["updatedAt"]),
        (&json!(2), &json!("2026-01-02T03:04:06.678Z"))
    );
    assert_eq!(acme.get(&at(&sales)).await.ok(), after);
    let told = only(&heard(&app).await, "pipeline.stage.updated");
    let told: Vec<_> = told
        .iter()
        .map(|told| {
            assert_eq!((&told["pipelineId"], &told["version"]), (&sales["id"], &json!(2)));
            (told["change"].as_str().unwrap(), told["stage"].clone(), told["previous"].clone())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("added", after["stages"][0].clone(), Value::Null),
            ("updated", after["stages"][1].clone(), sales["stages"][1].clone()),
            ("updated", after["stages"][2].clone(), sales["stages"][2].clone()),
            ("removed", sales["stages"][0].clone(), sales["stages"][0].clone()),
        ]
    );
}

#[tokio::test]
async fn stages_can_swap_places_and_names_and_a_new_place_alone_is_a_reordering() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["A", "B"]).await;
    heard(&app).await;
    let swapped = json!([{"name": "A", "displayOrder": 1}, {"name": "B", "displayOrder": 0}]);
    let after = with_stages(&acme, &sales, swapped).await;
    assert_eq!((stage(&after, "A"), stage(&after, "B")), (stage(&sales, "A"), stage(&sales, "B")));
    let told = only(&heard(&app).await, "pipeline.stage.updated");
    assert!(told.iter().all(|told| told["change"] == "reordered"), "{told:?}");
    assert_eq!(told.len(), 2);

    let named = json!([
        {"id": stage(&sales, "A"), "name": "B", "displayOrder": 1},
        {"id": stage(&sales, "B"), "name": "A", "displayOrder": 0},
    ]);
    let after = with_stages(&acme, &sales, named).await;
    assert_eq!((stage(&after, "A"), stage(&after, "B")), (stage(&sales, "B"), stage(&sales, "A")));
}

#[tokio::test]
async fn an_answer_sent_back_changes_nothing_and_tells_nobody() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["A", "B"]).await;
    heard(&app).await;
    app.advance(TimeDelta::seconds(1));
    assert_eq!(acme.put(&at(&sales), sales.clone()).await.ok(), sales);
    assert_eq!(acme.patch(&at(&sales), json!({})).await.ok(), sales);
    assert_eq!(heard(&app).await, []);
    let renamed = acme.patch(&at(&sales), json!({"name": "Deals"})).await.ok();
    assert_eq!((&renamed["name"], &renamed["stages"]), (&json!("Deals"), &sales["stages"]));
    assert_eq!(only(&heard(&app).await, "pipeline.stage.updated"), [Value::Null; 0]);
}

#[tokio::test]
async fn an_id_that_is_no_stage_of_the_pipeline_is_refused_wherever_it_is_from() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let sales = pipeline(&acme, "Sales", &["A", "B"]).await;
    let other = pipeline(&acme, "Other", &["A"]).await;
    let theirs = pipeline(&rival, "Sales", &["A"]).await;
    let stages = json!([
        {"id": stage(&other, "A"), "name": "A", "displayOrder": 0},
        {"id": stage(&theirs, "A"), "name": "B", "displayOrder": 1},
        {"id": Uuid::nil(), "name": "C", "displayOrder": 2},
        {"id": "stage-1", "name": "D", "displayOrder": 3},
    ]);
    let answer = acme.put(&at(&sales), json!({"stages": stages})).await;
    answer.invalid(&json!({"stages[3].id": "Must be a UUID"}));
    let mut stages = stages;
    stages.as_array_mut().unwrap().pop();
    let answer = acme.put(&at(&sales), json!({"stages": stages})).await;
    answer.invalid(&json!({
        "stages[0].id": "No such stage", "stages[1].id": "No such stage", "stages[2].id": "No such stage",
    }));
    let twice = json!([
        {"id": stage(&sales, "A"), "name": "A", "displayOrder": 0},
        {"id": stage(&sales, "A"), "name": "B", "displayOrder": 1},
    ]);
    let answer = acme.put(&at(&sales), json!({"stages": twice})).await;
    answer.invalid(&json!({"stages[1].id": "Is given twice"}));
    acme.put(&at(&sales), json!({"stages": null}))
        .await
        .invalid(&json!({"stages": "Must not be null"}));
    assert_eq!(acme.get(&at(&sales)).await.ok(), sales);
}

#[tokio::test]
async fn a_stage_with_leads_goes_only_when_they_have_somewhere_to_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let (new, won) = (stage(&sales, "New"), stage(&sales, "Won"));
    let (first, gone) = (lead_in(&acme, &new).await, lead_in(&acme, &new).await);
    let gone = format!("{LEADS}/{}", gone["id"].as_str().unwrap());
    acme.delete(&gone).await.no_content();
    heard(&app).await;
    let only_won = json!({"stages": [{"name": "Won", "displayOrder": 1}]});

    let body = acme.put(&at(&sales), only_won.clone()).await.problem(409, "PIPELINE_NOT_EMPTY");
    assert_eq!(body["details"], json!({"leads": "1"}));
    assert_eq!((acme.get(&at(&sales)).await.ok(), heard(&app).await), (sales.clone(), vec![]));

    let path = format!("{}?moveLeadsTo={}", at(&sales), won.as_str().unwrap());
    let after = acme.put(&path, only_won).await.ok();
    assert_eq!(after["stages"], json!([sales["stages"][1]]));
    let lead = acme.get(&format!("{LEADS}/{}", first["id"].as_str().unwrap())).await.ok();
    assert_eq!((&lead["stageId"], &lead["version"]), (&won, &json!(2)));
    let told = heard(&app).await;
    let names: Vec<_> = told.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(
        names,
        [
            "lead.updated",
            "lead.moved_to_stage",
            "activity.created",
            "pipeline.updated",
            "pipeline.stage.updated"
        ]
    );
    let mut updated = lead.clone();
    updated["previous"] = json!({"stageId": new});
    assert_eq!(only(&told, "lead.updated"), [updated]);
    let back = acme.post(&format!("{gone}/restore"), json!({})).await.ok();
    assert_eq!(back["stageId"], won, "a lead that was deleted went along");
}

#[tokio::test]
async fn leads_can_only_move_to_a_stage_that_stays() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let theirs = pipeline(&rival, "Sales", &["New"]).await;
    lead_in(&acme, &stage(&sales, "New")).await;
    let only_won = json!({"stages": [{"name": "Won", "displayOrder": 1}]});
    for (to, fault) in [
        (stage(&sales, "New"), "Is a stage that would be removed"),
        (stage(&theirs, "New"), "No such stage"),
        (json!(Uuid::nil()), "No such stage"),
        (json!("won"), "No such stage"),
        (json!(""), "No such stage"),
    ] {
        let path = format!("{}?moveLeadsTo={}", at(&sales), to.as_str().unwrap());
        acme.put(&path, only_won.clone()).await.invalid(&json!({"moveLeadsTo": fault}));
        if fault == "No such stage" {
            acme.delete(&path).await.invalid(&json!({"moveLeadsTo": fault}));
        }
    }
    let answer = acme.put(&format!("{}?moveleadsto=x", at(&sales)), only_won).await;
    answer.invalid(&json!({"moveleadsto": "Unknown parameter"}));
}

#[tokio::test]
async fn writers_of_one_pipeline_follow_each_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["A"]).await;
    let path = at(&sales);
    let put = |number: i32| {
        let (acme, path) = (acme.clone(), path.clone());
        async move {
            let stages = json!([{"name": "A", "displayOrder": 0}, {"name": format!("B{number}"), "displayOrder": 1}]);
            acme.put(&path, json!({"stages": stages})).await.ok()
        }
    };
    let answers = futures_util::future::join_all((0..8).map(put)).await;
    let mut versions: Vec<_> =
        answers.iter().map(|answer| answer["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..10).collect::<Vec<_>>(), "each saw what the one before had written");
    let last = answers.into_iter().find(|answer| answer["version"] == 9).unwrap();
    assert_eq!(acme.get(&path).await.ok(), last);
    let stages: i64 = sqlx::query_scalar("select count(*) from stages")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(stages, 2, "no stage of an earlier writer is left");
}

#[tokio::test]
async fn a_writer_may_insist_on_what_it_has_seen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["A"]).await;
    let tag = acme.get(&at(&sales)).await.header("etag").to_owned();
    acme.put(&at(&sales), json!({"name": "Deals"})).await.ok();
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let request = acme.request(method, &at(&sales)).header("if-match", &tag);
        let answer = tests::kit::Answer::to(request.json(&json!({"name": "Mine"}))).await;
        answer.problem(412, "PRECONDITION_FAILED");
    }
}
