//! `api admin tenant erase`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::id::TenantId;
use sqlx::AssertSqlSafe;
use tests::kit::{Database, TestApp};
use uuid::Uuid;

use super::operator;
use crate::boot::process::Environment;
use crate::erase::scan;
use crate::isolation::generator::{Table, canary, plant, tables};

/// Two tenants with a row in every table.
struct World {
    database: Database,
    tables: Vec<Table>,
    gone: TenantId,
    stays: TenantId,
}

impl World {
    async fn new() -> Self {
        let database = Database::migrated().await;
        let tables = tables(database.admin()).await;
        let [gone, stays] = [0xa, 0xb].map(|id| TenantId(Uuid::from_u128(id)));
        for tenant in [gone, stays] {
            plant(database.admin(), &tables, tenant).await;
        }
        Self { database, tables, gone, stays }
    }

    async fn rows_of(&self, tenant: TenantId) -> BTreeMap<String, i64> {
        let mut rows = BTreeMap::new();
        for table in &self.tables {
            let sql = format!("select count(*) from {} where {} = $1", table.name, table.key);
            let count = sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant.0);
            rows.insert(table.name.clone(), count.fetch_one(self.database.admin()).await.unwrap());
        }
        rows
    }
}

/// `[{table, rows}]`, as the command prints it.
fn counts(said: &str) -> BTreeMap<String, i64> {
    let rows: Vec<Value> = serde_json::from_str(said).expect(said);
    rows.iter()
        .map(|row| (row["table"].as_str().unwrap().to_owned(), row["rows"].as_i64().unwrap()))
        .collect()
}

#[tokio::test]
async fn nothing_of_an_erased_tenant_is_left_in_any_table_and_nothing_of_others_is_touched() {
    let world = World::new().await;
    let (operator, id) = (operator(&world.database), world.gone.to_string());
    let (before, others) = (world.rows_of(world.gone).await, world.rows_of(world.stays).await);
    assert!(before.values().all(|rows| *rows > 0), "{before:?}");

    let erase = ["admin", "tenant", "erase", "--tenant", &id, "--json"];
    let counted = operator.run(&[&erase[..], &["--dry-run"]].concat()).await.success();
    assert_eq!(counts(&counted), before);
    assert_eq!(world.rows_of(world.gone).await, before, "a dry run erases nothing");
    operator.run(&erase).await.refused(&["this cannot be taken back: say --yes"]);
    assert_eq!(world.rows_of(world.gone).await, before, "nor does a command that nobody confirms");

    let erased = operator.run(&[&erase[..], &["--yes"]].concat()).await.success();
    assert_eq!(counts(&erased), before);
    let hits = scan::hits(world.database.admin(), &[&canary(world.gone), &id]).await;
    assert_eq!(hits, ["public.operator_log.subject: 1"]);
    assert_eq!(world.rows_of(world.stays).await, others);

    let log = super::json(&operator, &["log", "--tenant", &id]).await;
    assert_eq!(log[0]["action"], "tenant.erased");
    assert_eq!(log[0]["detail"]["contacts"], json!(before["contacts"]));
    let again = operator.run(&[&erase[..], &["--yes"]].concat()).await;
    again.refused(&["there is no such tenant"]);
}

#[tokio::test]
async fn an_erasure_that_was_stopped_halfway_is_finished_by_the_next() {
    let world = World::new().await;
    // As if it had been killed between the tenant's row and the last look at the other tables.
    world
        .database
        .execute(&format!(
            "set session_replication_role = replica; delete from tenants where id = '{}'; reset session_replication_role",
            world.gone
        ))
        .await;
    let id = world.gone.to_string();
    let erase = ["admin", "tenant", "erase", "--tenant", &id, "--yes"];
    operator(&world.database).run(&erase).await.success();
    assert!(world.rows_of(world.gone).await.values().all(|rows| *rows == 0));
}

/// The login that docs/deployment.md has an operator make: no superuser.
#[tokio::test]
async fn a_login_that_may_only_act_as_the_owner_erases_and_lists_too() {
    let world = World::new().await;
    let login = world.database.login("").await;
    world.database.execute(&format!("grant crm_owner to {}", login.name)).await;
    let operator = operator(&world.database).set("MIGRATION_DATABASE_URL", &login.url);

    let listed = super::json(&operator, &["tenant", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let id = world.gone.to_string();
    operator.run(&["admin", "tenant", "erase", "--tenant", &id, "--yes"]).await.success();
    assert!(world.rows_of(world.gone).await.values().all(|rows| *rows == 0));
    let log = super::json(&operator, &["log"]).await;
    assert_eq!(log[0]["login"], json!(login.name));
}

#[tokio::test]
async fn an_erased_tenants_keys_and_sessions_are_nobodys() {
    let app = TestApp::present().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let ada = acme.with_role(shared::scope::Role::Owner).await;
    acme.post("/api/v1/connection/contacts", json!({"name": "Ada"})).await.created();
    let id = acme.id.to_string();
    let environment: Environment = operator(&app.database);
    environment.run(&["admin", "tenant", "erase", "--tenant", &id, "--yes"]).await.success();
    for caller in [&acme, &ada] {
        assert_eq!(caller.get("/api/v1/me").await.status, 401);
    }
    assert_eq!(globex.get("/api/v1/me").await.status, 200);
}

#[tokio::test]
async fn the_api_may_not_erase_even_when_its_login_is_given() {
    let world = World::new().await;
    let operator =
        operator(&world.database).set("MIGRATION_DATABASE_URL", world.database.app_url());
    let id = world.gone.to_string();
    let ended = operator.run(&["admin", "tenant", "erase", "--tenant", &id, "--yes"]).await;
    ended.refused(&["crm_owner"]);
    assert!(world.rows_of(world.gone).await.values().all(|rows| *rows > 0));
}

#[tokio::test]
async fn a_request_that_is_under_way_when_its_tenant_is_erased_leaves_nothing() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    acme.subscribe(&["*"]).await;
    acme.post("/api/v1/connection/contacts", json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let claimed = worker.claim().await.unwrap();
    assert_eq!(claimed.len(), 1);
    let id = acme.id.to_string();
    let environment: Environment = operator(&app.database);
    environment.run(&["admin", "tenant", "erase", "--tenant", &id, "--yes"]).await.success();
    worker.attempt(claimed).await.unwrap();
    let hits = scan::hits(app.database.admin(), &[&id]).await;
    assert_eq!(hits, ["public.operator_log.subject: 1"]);
}
