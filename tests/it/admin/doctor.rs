//! `api doctor`.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::kit::{Database, Nobody, TestApp, test_redis_url};

use super::operator;
use crate::boot::process::{Environment, closed_database};

/// What the doctor found, by what it looked at: level and words. Of several of one name, the last.
async fn found(environment: &Environment) -> BTreeMap<String, (String, String)> {
    let ended = environment.run(&["doctor", "--json"]).await;
    let signs: Vec<Value> = serde_json::from_str(&ended.stdout).expect(&ended.stdout);
    let text = |sign: &Value, name: &str| sign[name].as_str().unwrap().to_owned();
    signs
        .iter()
        .map(|sign| (text(sign, "what"), (text(sign, "level"), text(sign, "said"))))
        .collect()
}

#[tokio::test]
async fn a_healthy_installation_has_nothing_but_the_test_clusters_haste() {
    let database = Database::migrated().await;
    let environment = operator(&database).set("REDIS_URL", test_redis_url());
    for (what, (level, said)) in found(&environment).await {
        let expected = if what == "durability" { "warning" } else { "ok" };
        assert_eq!(level, expected, "{what}: {said}");
    }
    environment.run(&["doctor"]).await.success();
    let strict = environment.run(&["doctor", "--strict"]).await;
    assert_eq!(strict.code, Some(3), "{strict:?}");
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_found_by_its_own_look() {
    for (sql, what, level, words) in [
        ("drop index contacts_email", "indexes", "fault", "contacts_email is missing"),
        (
            "update pg_index set indisvalid = false where indexrelid = 'contacts_name'::regclass",
            "indexes",
            "fault",
            "reindex index concurrently contacts_name",
        ),
        ("drop extension btree_gin cascade", "extensions", "fault", "create extension btree_gin"),
        (
            "do $$ begin execute 'drop table events_' || to_char(now() at time zone 'utc' + interval '1 day', 'YYYYMMDD'); end $$",
            "partitions",
            "warning",
            "is one running?",
        ),
        (
            "alter table leads no force row level security",
            "tenant tables",
            "fault",
            "without forced row-level security: leads",
        ),
        (
            "revoke delete on outbox from crm_worker",
            "roles",
            "fault",
            "crm_worker has not the rights",
        ),
        (
            "do $$ begin execute format('alter role crm_app in database %I set lock_timeout = 0', current_database()); end $$",
            "timeouts",
            "warning",
            "lock_timeout is off",
        ),
    ] {
        let database = Database::migrated().await;
        database.execute(sql).await;
        let found = found(&operator(&database)).await;
        let (found_level, said) = &found[what];
        assert_eq!(found_level, level, "{sql}: {said}");
        assert!(said.contains(words), "{sql}: {said}");
    }
}

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let database = Database::migrated().await;
    database.execute("alter table contacts no force row level security").await;
    let ended = Environment::with_url(&database.admin_url()).run(&["doctor"]).await;
    for fault in ["FAULT    database login: ", "FAULT    tenant tables: ", "ok       indexes: "] {
        assert!(ended.stdout.contains(fault), "{fault:?}: {ended:?}");
    }
    ended.refused(&["there are faults"]);
}

#[tokio::test]
async fn what_waits_too_long_is_a_warning() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    app.tenant("globex").await;
    let operator = operator(&app.database);
    assert_eq!(found(&operator).await["queue"].0, "ok");
    acme.post("/api/v1/connection/contacts", serde_json::json!({"name": "Ada"})).await.created();
    app.database.execute("update outbox set occurred_at = now() - interval '5 minutes'").await;
    let (level, said) = &found(&operator).await["queue"];
    assert!(level == "warning" && said.contains("in the outbox 30"), "{level} {said}");
}

#[tokio::test]
async fn a_database_that_is_away_is_one_fault_and_hides_nothing_else() {
    let nobody = Nobody::here();
    let environment = Environment::with_url(&closed_database(&nobody))
        .set("API_LISTEN", "here")
        .set("JWT_KEYS", "hunter2")
        .set("REDIS_URL", "redis://127.0.0.1:1");
    let ended = environment.run(&["doctor"]).await;
    for said in [
        "FAULT    configuration: API_LISTEN is not valid",
        "FAULT    configuration: JWT_KEYS is not valid",
        "FAULT    database: DATABASE_URL: the database cannot be reached",
        "skipped  queue",
        "warning  Redis: REDIS_URL",
    ] {
        assert!(ended.stdout.contains(said), "{said:?}: {ended:?}");
    }
    assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
    ended.refused(&["there are faults"]);
}
