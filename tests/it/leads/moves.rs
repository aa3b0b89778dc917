//! Moving through stages.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{LEADS, Page, Tenant, TestApp, with};
use uuid::Uuid;

use super::{at, deal};
use crate::pipelines::{heard, lead_in, only, pipeline, stage};

async fn move_to(tenant: &Tenant, lead: &Value, stage: &Value) -> tests::kit::Answer {
    tenant.post(&format!("{}/move", at(lead)), json!({"stageId": stage})).await
}

async fn history(tenant: &Tenant, lead: &Value, query: &str) -> Page {
    tenant.get(&format!("{}/history{query}", at(lead))).await.page()
}

fn place(pipeline: &Value, name: &str) -> Value {
    json!({"pipelineId": pipeline["id"], "stageId": stage(pipeline, name), "name": name})
}

#[tokio::test]
async fn a_move_is_told_as_an_update_and_once_as_a_move_however_it_is_asked_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let (new, won) = (stage(&sales, "New"), stage(&sales, "Won"));
    for by_put in [false, true] {
        let lead = lead_in(&acme, &new).await;
        heard(&app).await;
        let after = if by_put {
            acme.put(&at(&lead), json!({"stageId": won})).await.ok()
        } else {
            move_to(&acme, &lead, &won).await.ok()
        };
        assert_eq!((&after["stageId"], &after["version"]), (&won, &json!(2)));
        let told = heard(&app).await;
        assert_eq!(
            only(&told, "lead.updated"),
            [with(&after, "previous", json!({"stageId": new}))]
        );
        let moved = with(&with(&after, "from", place(&sales, "New")), "to", place(&sales, "Won"));
        assert_eq!(only(&told, "lead.moved_to_stage"), [moved]);

        let again = move_to(&acme, &lead, &won).await.ok();
        assert_eq!(again, after);
        assert_eq!(heard(&app).await, [], "it is there already");
    }
}

#[tokio::test]
async fn the_history_tells_each_step_with_who_made_it_and_when_the_last_first() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let other = pipeline(&acme, "Other", &["In"]).await;
    let lead = lead_in(&acme, &stage(&sales, "New")).await;
    let user = acme.user(Role::Member).await;
    let person = acme.as_user(user).await;
    app.advance(TimeDelta::seconds(1));
    move_to(&person, &lead, &stage(&other, "In")).await.ok();
    app.advance(TimeDelta::seconds(1));
    acme.put(&at(&lead), json!({"pipelineId": null})).await.ok();

    let page = history(&acme, &lead, "").await;

    let steps: Vec<_> = page
        .items
        .iter()
        .map(|step| {
            assert_eq!(step["leadId"], lead["id"]);
            (
                step["from"].clone(),
                step["to"].clone(),
                step["by"]["type"].clone(),
                step["at"].clone(),
            )
        })
        .collect();
    let time = |second: u8| json!(format!("2026-01-02T03:04:0{second}.678Z"));
    assert_eq!(
        steps,
        [
            (place(&other, "In"), Value::Null, json!("api_key"), time(7)),
            (place(&sales, "New"), place(&other, "In"), json!("user"), time(6)),
            (Value::Null, place(&sales, "New"), json!("api_key"), time(5)),
        ]
    );
    assert_eq!(page.items[1]["by"]["id"], json!(user));
    let since = "?at[gte]=2026-01-02T03:04:06Z&sort=at&pageSize=1";
    assert_eq!(history(&acme, &lead, since).await.items[0], page.items[1]);
}

#[tokio::test]
async fn a_pipeline_without_a_stage_is_entered_at_its_beginning_and_kept_when_it_is_the_same() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let other = pipeline(&acme, "Other", &["In"]).await;
    let lead = lead_in(&acme, &stage(&sales, "Won")).await;
    let put = async |body: Value| acme.put(&at(&lead), body).await;
    let at_stage = |answer: Value| answer["stageId"].clone();
    let (new, won) = (stage(&sales, "New"), stage(&sales, "Won"));

    assert_eq!(at_stage(put(json!({"pipelineId": sales["id"]})).await.ok()), won);
    assert_eq!(at_stage(put(json!({"pipelineId": other["id"]})).await.ok()), stage(&other, "In"));
    assert_eq!(at_stage(put(json!({"pipelineId": sales["id"], "stageId": null})).await.ok()), new);
    assert_eq!(at_stage(put(json!({"stageId": null})).await.ok()), Value::Null);
    assert_eq!(at_stage(put(json!({"pipelineId": sales["id"], "stageId": won})).await.ok()), won);
    let answer = put(json!({"pipelineId": null, "stageId": won})).await;
    answer.invalid(&json!({"stageId": "Must be null when pipelineId is"}));
    let answer = put(json!({"pipelineId": other["id"], "stageId": won})).await;
    answer.invalid(&json!({"stageId": "Is no stage of the pipeline"}));
    let left = put(json!({"pipelineId": null, "stageId": null})).await.ok();
    assert_eq!((&left["pipelineId"], &left["stageId"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_move_needs_a_stage_of_the_tenant() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let lead = deal(&acme).await;
    let theirs = pipeline(&rival, "Sales", &["New"]).await;
    for (body, fault) in [
        (json!({}), "Is required"),
        (json!({"stageId": null}), "Is required"),
        (json!({"stageId": "won"}), "Must be a UUID"),
        (json!({"stageId": Uuid::nil()}), "No such stage"),
        (json!({"stageId": stage(&theirs, "New")}), "No such stage"),
    ] {
        let answer = acme.post(&format!("{}/move", at(&lead)), body).await;
        answer.invalid(&json!({"stageId": fault}));
    }
}

#[tokio::test]
async fn movers_of_one_lead_follow_each_other_and_the_history_has_no_gap() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let names = ["A", "B", "C", "D", "E", "F"];
    let sales = pipeline(&acme, "Sales", &names).await;
    let lead = lead_in(&acme, &stage(&sales, "A")).await;
    let moves = names[1..].iter().map(|name| {
        let (acme, lead, stage) = (acme.clone(), lead.clone(), stage(&sales, name));
        async move { move_to(&acme, &lead, &stage).await.ok() }
    });
    let answers = futures_util::future::join_all(moves).await;
    let mut versions: Vec<_> =
        answers.iter().map(|lead| lead["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5, 6]);
    let steps = history(&acme, &lead, "").await.items;
    assert_eq!(steps.len(), 6);
    let last = acme.get(&at(&lead)).await.ok();
    // The last first, each begins where the one before it ended: one chain from nowhere to where the lead is.
    let mut here = Value::Null;
    for step in steps.iter().rev() {
        assert_eq!(step["from"]["stageId"], here, "{steps:#?}");
        here = step["to"]["stageId"].clone();
    }
    assert_eq!(here, last["stageId"]);
}

#[tokio::test]
async fn a_move_is_written_down_for_everybody_it_is_about() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(tests::kit::CONTACTS, json!({"name": "John"})).await.created();
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let body = json!({"title": "Deal", "status": "new", "contactId": contact["id"], "pipelineId": sales["id"]});
    let lead = acme.post(LEADS, body).await.created();
    move_to(&acme, &lead, &stage(&sales, "Won")).await.ok();
    let of_lead = acme.get(&format!("{}/timeline", at(&lead))).await.page().items;
    let path = format!("{}/{}/timeline", tests::kit::CONTACTS, contact["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.page().items, of_lead);
    let [entry] = &of_lead[..] else { panic!("{of_lead:#?}") };
    let said = ["type", "subject", "body"].map(|member| entry[member].as_str().unwrap());
    assert_eq!(said, ["system", "Moved to Won", "From New"]);
    assert_eq!(entry["actor"]["type"], "api_key");
}
