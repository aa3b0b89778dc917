//! Rows that wait for the worker: how they are kept, and how they were by the version before.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant, TestApp};

use super::{at, counts, import, people, total};

/// People of whom two fail when they are applied: the second of an external id, and one of a company that is not there.
fn with_two_faults(count: usize) -> Value {
    let mut rows = people(count);
    rows[3]["externalId"] = json!("taken");
    rows[1200]["externalId"] = json!("taken");
    rows[7]["companyId"] = json!("01930000-0000-7000-8000-000000000000");
    rows
}

async fn count(app: &TestApp, rows: &'static str) -> i64 {
    sqlx::query_scalar(rows).fetch_one(app.database.admin()).await.unwrap()
}

async fn queued(acme: &Tenant, query: &str, rows: Value) -> Value {
    let answer = import(acme, query, rows).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    answer.body["data"].clone()
}

#[tokio::test]
async fn nothing_waits_behind_the_end_of_an_import_whatever_its_end() {
    let app = TestApp::start().await;
    for (name, query, status) in [
        ("plain", "", "completed"),
        ("tried", "?dryRun=true", "completed"),
        ("atomic", "?atomic=true", "failed"),
        ("both", "?atomic=true&dryRun=true", "failed"),
    ] {
        let acme = app.tenant(name).await;
        let begun = queued(&acme, query, with_two_faults(1500)).await;
        assert_eq!(count(&app, "select count(*) from import_chunks").await, 2);
        app.worker().import().await.unwrap();
        let done = acme.get(&at(&begun)).await.ok();
        assert_eq!((&done["status"], &done["failed"]), (&json!(status), &json!(2)), "{query}");
        let errors = done["errors"].as_array().unwrap();
        let rows: Vec<_> = errors.iter().map(|error| error["row"].clone()).collect();
        assert_eq!(rows, [8, 1201], "{query}");
        assert_eq!(errors[1]["input"], with_two_faults(1500)[1200], "{query}");
        assert_eq!(count(&app, "select count(*) from import_chunks").await, 0, "{query}");
    }
}

#[tokio::test]
async fn of_a_row_that_changed_nothing_nothing_is_kept() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    import(&acme, "", people(3)).await.ok();
    import(&acme, "?mode=upsert&matchBy=email", people(4)).await.ok();
    let made = "select sum(cardinality(contacts)) from import_contacts";
    assert_eq!(count(&app, made).await, 4);
    assert_eq!(count(&app, "select count(*) from import_rows").await, 0);
}

/// Keeps what waits as the version before did: each row by itself, in `import_rows`.
const AS_BEFORE: &str = "insert into import_rows (tenant_id, import_id, row, line, input, contact)
     select c.tenant_id, c.import_id, (r #>> '{sent,row}')::integer, (r #>> '{sent,line}')::integer,
            (r #>> '{sent,input}')::json, r -> 'patch'
     from import_chunks c cross join lateral json_array_elements(c.rows) r;
     delete from import_chunks";

#[tokio::test]
async fn rows_that_an_api_of_the_version_before_has_kept_are_applied_as_well() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let begun = queued(&acme, "", with_two_faults(1500)).await;
    sqlx::raw_sql(AS_BEFORE).execute(app.database.admin()).await.unwrap();
    app.worker().import().await.unwrap();
    let done = acme.get(&at(&begun)).await.ok();
    assert_eq!((&done["status"], counts(&done)), (&json!("completed"), [1498, 0, 0, 2]));
    assert_eq!(done["errors"][0]["input"], with_two_faults(1500)[7]);
    assert_eq!(total(&acme).await, 1498);
    let left = "select count(*) from import_rows where outcome is null";
    assert_eq!(count(&app, left).await, 0);
}

#[tokio::test]
async fn a_worker_of_the_version_before_cannot_end_an_import_whose_rows_it_does_not_see() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let begun = queued(&acme, "", people(1001)).await;
    let end = "update imports set status = 'completed', finished_at = now()";
    let refused = sqlx::query(end).execute(app.database.admin()).await.unwrap_err();
    let code = refused.as_database_error().unwrap().code().unwrap();
    assert_eq!(code, "40001", "it tries again: {refused}");
    app.worker().import().await.unwrap();
    assert_eq!(counts(&acme.get(&at(&begun)).await.ok()), [1001, 0, 0, 0]);
}

/// Keeps what an import has made as the version before did: each contact by itself, in `import_rows`.
const MADE_BEFORE: &str =
    "insert into import_rows (tenant_id, import_id, row, outcome, contact_id, version)
     select tenant_id, import_id, first + place - 1, 'created', contact, 1
     from import_contacts cross join lateral unnest(contacts) with ordinality c (contact, place);
     delete from import_contacts";

#[tokio::test]
async fn what_either_version_has_made_is_undone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for before in [true, false] {
        let begun = queued(&acme, "", people(2500)).await;
        app.worker().import().await.unwrap();
        if before {
            sqlx::raw_sql(MADE_BEFORE).execute(app.database.admin()).await.unwrap();
        }
        acme.post(&format!("{}/undo", at(&begun)), json!({})).await;
        app.worker().import().await.unwrap();
        let undone = acme.get(&at(&begun)).await.ok();
        let what = (&undone["status"], &undone["undone"], &undone["kept"]);
        assert_eq!(what, (&json!("undone"), &json!(2500), &json!(0)), "{before}");
        assert_eq!(total(&acme).await, 0);
        for table in ["select count(*) from import_rows", "select count(*) from import_contacts"] {
            assert_eq!(count(&app, table).await, 0);
        }
    }
}

#[tokio::test]
async fn a_worker_of_the_version_before_cannot_say_that_an_import_is_undone_whose_contacts_are_there()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    import(&acme, "", people(3)).await.ok();
    let end = "update imports set status = 'undone'";
    let refused = sqlx::query(end).execute(app.database.admin()).await.unwrap_err();
    let code = refused.as_database_error().unwrap().code().unwrap();
    assert_eq!(code, "40001", "it tries again: {refused}");
}

#[tokio::test]
async fn a_contact_that_an_import_has_made_and_changed_is_undone_unless_somebody_changed_it_between()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut rows = people(1001).as_array().unwrap().clone();
    rows.push(json!({"email": rows[0]["email"], "company": "Later"}));
    rows.push(json!({"email": rows[1]["email"], "company": "Later"}));
    let begun = queued(&acme, "?mode=upsert", json!(rows)).await;
    app.worker().import().await.unwrap();
    let done = acme.get(&at(&begun)).await.ok();
    assert_eq!(counts(&done), [1001, 2, 0, 0]);
    let between = "update import_rows set before = jsonb_set(before::jsonb, '{version}', '7')::json
                   where row = 1003";
    sqlx::query(between).execute(app.database.admin()).await.unwrap();
    acme.post(&format!("{}/undo", at(&begun)), json!({})).await;
    app.worker().import().await.unwrap();
    let undone = acme.get(&at(&begun)).await.ok();
    assert_eq!((&undone["undone"], &undone["kept"]), (&json!(1000), &json!(1)));
    assert_eq!(total(&acme).await, 1);
}

#[tokio::test]
async fn contacts_of_an_import_are_listed_in_the_order_of_its_file() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    import(&acme, "", people(50)).await.ok();
    let listed = acme.get(&format!("{CONTACTS}?sort=createdAt&pageSize=50")).await.page();
    let names = |rows: &[Value]| rows.iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&listed.items), names(people(50).as_array().unwrap()));
}
