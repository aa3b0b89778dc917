//! Deleting.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tests::kit::{LEADS, TestApp};

use super::{at, heard, lead_in, only, pipeline, stage};

#[tokio::test]
async fn an_empty_pipeline_goes_for_good_and_each_of_its_stages_is_told_of() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    heard(&app).await;

    acme.delete(&at(&sales)).await.no_content();

    acme.get(&at(&sales)).await.not_found("Pipeline not found");
    acme.delete(&at(&sales)).await.not_found("Pipeline not found");
    let told = only(&heard(&app).await, "pipeline.stage.updated");
    let removed = |place: usize| {
        let stage = &sales["stages"][place];
        json!({"pipelineId": sales["id"], "version": 2, "stage": stage, "previous": stage, "change": "removed"})
    };
    assert_eq!(told, [removed(0), removed(1)]);
}

#[tokio::test]
async fn a_pipeline_with_leads_goes_only_when_they_have_somewhere_to_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let other = pipeline(&acme, "Other", &["In"]).await;
    let leads =
        [lead_in(&acme, &stage(&sales, "New")).await, lead_in(&acme, &stage(&sales, "Won")).await];

    let body = acme.delete(&at(&sales)).await.problem(409, "PIPELINE_NOT_EMPTY");
    assert_eq!(body["details"], json!({"leads": "2"}));

    let destination = stage(&other, "In");
    acme.delete(&format!("{}?moveLeadsTo={}", at(&sales), destination.as_str().unwrap()))
        .await
        .no_content();
    for lead in leads {
        let lead = acme.get(&format!("{LEADS}/{}", lead["id"].as_str().unwrap())).await.ok();
        assert_eq!((&lead["pipelineId"], &lead["stageId"]), (&other["id"], &destination));
    }
}

#[tokio::test]
async fn deleted_leads_keep_no_pipeline_and_come_back_without_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let lead = lead_in(&acme, &stage(&sales, "New")).await;
    let path = format!("{LEADS}/{}", lead["id"].as_str().unwrap());
    acme.delete(&path).await.no_content();
    acme.delete(&at(&sales)).await.no_content();
    let back = acme.post(&format!("{path}/restore"), json!({})).await.ok();
    assert_eq!((&back["pipelineId"], &back["stageId"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn thousands_of_leads_move_together_and_each_is_told_of_in_the_same_commit() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let (new, won) = (stage(&sales, "New"), stage(&sales, "Won"));
    sqlx::query(
        "insert into leads (tenant_id, id, title, status, currency, pipeline_id, stage_id, created_at, updated_at)
         select $1, gen_random_uuid(), 'Deal ' || n, 'new', 'EUR', $2::text::uuid, $3::text::uuid, $4, $4
         from generate_series(1, 2500) n",
    )
    .bind(acme.id.0)
    .bind(sales["id"].as_str())
    .bind(new.as_str())
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
    app.database.execute("delete from outbox").await;

    let only_won = json!({"stages": [{"name": "Won", "displayOrder": 1}]});
    let path = format!("{}?moveLeadsTo={}", at(&sales), won.as_str().unwrap());
    acme.put(&path, only_won).await.ok();

    let counts: Vec<(String, i64, i64)> = sqlx::query_as(
        "select event, count(*), count(distinct xmin::text) from outbox group by event order by event",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    let counts: Vec<_> =
        counts.iter().map(|(event, count, commits)| (event.as_str(), *count, *commits)).collect();
    assert_eq!(
        counts,
        [
            ("activity.created", 2_500, 1),
            ("lead.moved_to_stage", 2_500, 1),
            ("lead.updated", 2_500, 1),
            ("pipeline.stage.updated", 1, 1),
            ("pipeline.updated", 1, 1),
        ]
    );
    let moved: i64 = sqlx::query_scalar(
        "select count(*) from leads l join lead_stage_history h on h.lead_id = l.id and h.to_stage_id = l.stage_id
         where l.stage_id = $1::text::uuid and l.version = 2 and h.from_name = 'New'",
    )
    .bind(won.as_str())
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(moved, 2_500);
}

#[tokio::test]
async fn two_that_move_leads_into_each_other_wait_for_one_another_and_one_of_them_is_refused() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let into = |pipeline: &Value, other: &Value, name: &str| {
        format!("{}?moveLeadsTo={}", at(pipeline), stage(other, name).as_str().unwrap())
    };
    for _ in 0..3 {
        let (sales, other) =
            (pipeline(&acme, "Sales", &["A", "B"]).await, pipeline(&acme, "Other", &["C"]).await);
        lead_in(&acme, &stage(&sales, "A")).await;
        lead_in(&acme, &stage(&other, "C")).await;
        // Two deletions, and two changes of one pipeline: each removes where the other's leads are to go.
        let (one, two) = (into(&sales, &other, "C"), into(&other, &sales, "A"));
        let hold = app.database.hold("select from pipelines for update").await;
        let both = async {
            app.database.waiting(2).await;
            hold.release().await;
        };
        let (one, two, ()) = tokio::join!(acme.delete(&one), acme.delete(&two), both);
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 400], "{:#} {:#}", one.body, two.body);

        let sales = pipeline(&acme, "Sales", &["A", "B"]).await;
        let keep = |name: &str| {
            let stages =
                json!({"stages": [{"id": stage(&sales, name), "name": name, "displayOrder": 0}]});
            (into(&sales, &sales, name), stages)
        };
        let ((one, only_a), (two, only_b)) = (keep("A"), keep("B"));
        let hold = app.database.hold("select from pipelines for update").await;
        let both = async {
            app.database.waiting(2).await;
            hold.release().await;
        };
        let (one, two, ()) = tokio::join!(acme.put(&one, only_a), acme.put(&two, only_b), both);
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "{:#} {:#}", one.body, two.body);
    }
}

#[tokio::test]
async fn a_lead_that_comes_while_its_stage_goes_is_not_lost() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    // Who waits first goes on first.
    for (comes, goes) in [(0, 1), (1, 0)] {
        let sales = pipeline(&acme, "Sales", &["New"]).await;
        let body = json!({"title": "Deal", "status": "new", "stageId": stage(&sales, "New")});
        let path = at(&sales);
        let hold = app.database.hold("select from stages for update").await;
        let coming = async {
            app.database.waiting(comes).await;
            acme.post(LEADS, body).await
        };
        let going = async {
            app.database.waiting(goes).await;
            acme.delete(&path).await
        };
        let both = async {
            app.database.waiting(2).await;
            hold.release().await;
        };
        let (coming, going, ()) = tokio::join!(coming, going, both);
        assert_eq!(going.status == 204, goes == 0, "{:#} {:#}", coming.body, going.body);
        if going.status == 204 {
            coming.invalid(&json!({"stageId": "No such stage"}));
        } else {
            going.problem(409, "PIPELINE_NOT_EMPTY");
            assert_eq!(coming.created()["pipelineId"], sales["id"]);
        }
    }
}

/// Fails statements that write more than a thousand leads: of very many they take longer than a statement may.
const SMALL: &str = "create function small() returns trigger language plpgsql as $$ begin
        if (select count(*) from changed) > 1000 then raise exception 'too many leads at once'; end if;
        return null;
    end $$;
    create trigger small after update on leads referencing new table as changed for each statement execute function small()";

/// So many leads in each stage that there is.
async fn many_leads(app: &TestApp, deleted_at: &str) {
    let many = format!(
        "insert into leads (tenant_id, id, title, status, currency, pipeline_id, stage_id, created_at, updated_at, deleted_at)
         select tenant_id, gen_random_uuid(), 'Deal', 'new', 'EUR', pipeline_id, id, now(), now(), {deleted_at}
         from stages, generate_series(1, 1001)"
    );
    app.database.execute(&many).await;
}

#[tokio::test]
async fn very_many_deleted_leads_move_in_small_statements() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let more = pipeline(&acme, "More", &["New"]).await;
    many_leads(&app, "now()").await;
    let other = pipeline(&acme, "Other", &["In"]).await;
    app.database.execute(SMALL).await;
    let to = stage(&other, "In");
    acme.delete(&format!("{}?moveLeadsTo={}", at(&sales), to.as_str().unwrap())).await.no_content();
    acme.delete(&at(&more)).await.no_content();
    let places = "select count(*) from leads where stage_id is null union all
                  select count(*) from leads where stage_id is not null order by 1";
    let places: Vec<i64> =
        sqlx::query_scalar(places).fetch_all(app.database.admin()).await.unwrap();
    assert_eq!(places, [1001, 2002]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_with_very_many_leads_go_two_at_a_time_and_keep_nobody_else_waiting() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let mut large = Vec::new();
    for name in ["A", "B", "C"] {
        large.push(pipeline(&acme, name, &["New"]).await);
    }
    many_leads(&app, "null").await;
    let to = stage(&pipeline(&acme, "To", &["In"]).await, "In");
    let hold = app.database.hold("select from leads for update").await;
    let paths = large.iter().map(|one| format!("{}?moveLeadsTo={}", at(one), to.as_str().unwrap()));
    let paths: Vec<_> = paths.collect();
    let mut removed: FuturesUnordered<_> = paths.iter().map(|path| acme.delete(path)).collect();
    let meanwhile = async {
        app.database.waiting(2).await;
        other.get(LEADS).await.page();
    };
    let (first, ()) = tokio::join!(removed.next(), meanwhile);
    assert_eq!(first.unwrap().status, 429);
    hold.release().await;
    let others: Vec<_> = removed.map(|answer| answer.status.as_u16()).collect().await;
    assert_eq!(others, [204, 204]);
}
