//! Creating, showing and listing.

use serde_json::{Value, json};
use tests::kit::{PIPELINES, START, TestApp};
use uuid::Uuid;

use super::{at, heard, only, pipeline};

#[tokio::test]
async fn a_pipeline_has_stages_with_ids_sorted_by_their_place() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let stages = json!([
        {"name": " Won ", "displayOrder": 20}, {"name": "New", "displayOrder": 0}, {"name": "Lost", "displayOrder": 2_147_483_647},
    ]);

    let answer = acme.post(PIPELINES, json!({"name": "Sales", "stages": stages})).await;

    let location = answer.header("location").to_owned();
    let sales = answer.created();
    let id = |place: usize| sales["stages"][place]["id"].clone();
    assert_eq!(
        sales,
        json!({
            "id": sales["id"], "tenantId": acme.id, "name": "Sales",
            "stages": [
                {"id": id(0), "name": "New", "displayOrder": 0},
                {"id": id(1), "name": "Won", "displayOrder": 20},
                {"id": id(2), "name": "Lost", "displayOrder": 2_147_483_647},
            ],
            "version": 1, "createdAt": START, "updatedAt": START,
        })
    );
    assert!((0..3).all(|place| id(place).as_str().unwrap().parse::<Uuid>().is_ok()));
    assert_eq!(location, at(&sales));
    assert_eq!(acme.get(&location).await.ok(), sales);
    assert_eq!(acme.get(PIPELINES).await.page().items, [sales]);
}

#[tokio::test]
async fn each_stage_of_a_new_pipeline_is_told_of() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let told = heard(&app).await;
    let added = |place: usize| {
        json!({
            "pipelineId": sales["id"], "version": 1, "stage": sales["stages"][place], "previous": null,
            "change": "added",
        })
    };
    assert_eq!(only(&told, "pipeline.stage.updated"), [added(0), added(1)]);
}

#[tokio::test]
async fn every_fault_of_every_stage_is_named_by_its_path_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"stages": [
        {"name": "", "displayOrder": 0},
        {"name": "New", "displayOrder": -1, "colour": "red"},
        {"name": "NEW ", "displayOrder": 0.0},
        "Won",
        {"displayOrder": 1.5},
    ]});

    acme.post(PIPELINES, body).await.invalid(&json!({
        "name": "Is required",
        "stages[0].name": "Must be 1 to 100 characters",
        "stages[1].displayOrder": "Must be a whole number from 0 to 2147483647",
        "stages[1].colour": "Unknown field",
        "stages[2].name": "Is given twice",
        "stages[2].displayOrder": "Is given twice",
        "stages[3]": "Must be an object",
        "stages[4].name": "Is required",
        "stages[4].displayOrder": "Must be a whole number from 0 to 2147483647",
    }));

    assert_eq!(acme.get(PIPELINES).await.page().items.len(), 0);
    assert_eq!(app.announced().await, [""; 0]);
}

#[tokio::test]
async fn a_pipeline_has_one_to_fifty_stages() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let stages = |count: usize| -> Value {
        (0..count)
            .map(|place| json!({"name": format!("S{place}"), "displayOrder": place}))
            .collect()
    };
    let fault = "Must be a list of 1 to 50";
    for (stages, fault) in [
        (json!(null), "Is required"),
        (stages(0), fault),
        (stages(51), fault),
        (json!({"name": "New"}), fault),
        (json!("New"), fault),
    ] {
        let answer = acme.post(PIPELINES, json!({"name": "Sales", "stages": stages})).await;
        answer.invalid(&json!({"stages": fault}));
    }
    for good in [1, 50] {
        let body = json!({"name": "Sales", "stages": stages(good)});
        let made = acme.post(PIPELINES, body).await.created();
        assert_eq!(made["stages"].as_array().unwrap().len(), good);
    }
}

#[tokio::test]
async fn pipelines_are_found_by_name_and_sorted_by_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for name in ["Sales", "renewals", "Partners"] {
        pipeline(&acme, name, &["New"]).await;
    }
    let names = async |query: &str| {
        let page = acme.get(&format!("{PIPELINES}?{query}")).await.page();
        page.names().into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names("sort=name").await, ["Partners", "renewals", "Sales"]);
    assert_eq!(names("name=RENEWALS").await, ["renewals"]);
    acme.get(&format!("{PIPELINES}?q=sales")).await.invalid(&json!({"q": "Unknown parameter"}));
}
