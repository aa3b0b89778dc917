//! What the database would have to be so that tenants can be spread over several: no statement of the hot paths looks
//! at a row of another tenant's. PostgreSQL itself tells the plan of each statement that the api sends, those inside
//! functions and foreign keys included; every step that reads a table of tenants must ask an index for one tenant.

use serde_json::json;
use shared::scope::Role;
use sqlx::{Connection as _, PgConnection};
use tests::kit::{CONTACTS, TestApp, until};

use crate::lists::plans::explained::{Explained, Statement};

/// Found before the tenant is known: the lookup of an API key, by a part of it that is random. Spread over several
/// databases, these two tables are the map from keys to tenants, which each of them has (docs/performance.md).
const MAP: [&str; 2] = ["api_keys", "replaced_api_key_secrets"];

/// Tables whose own id is the tenant's.
const TENANTS: &str = "tenants";

/// The steps that read a table of tenants without asking an index for one of them.
fn crossings(statements: &[Statement]) -> Vec<String> {
    let mut crossings = Vec::new();
    for statement in statements {
        for node in statement.nodes.iter().filter(|node| !node.table.is_empty()) {
            let named = node.condition.contains("tenant_id =")
                || (node.table == TENANTS && node.condition.contains("id ="));
            if !named && !MAP.contains(&&*node.table) {
                let (kind, table, text) = (&node.kind, &node.table, &statement.text);
                crossings.push(format!("{kind} on {table} by ({}) in\n{text}", node.condition));
            }
        }
    }
    crossings
}

/// Whether it reads the table: what a key leads to comes from a map, and nothing would be proved by plans that did not
/// arrive.
fn reads(table: &str) -> impl Fn(&Statement) -> bool {
    move |statement| statement.nodes.iter().any(|node| node.table.starts_with(table))
}

/// Lets no table be so small that reading all of it would be cheaper.
async fn without_shortcuts(app: &TestApp) {
    let name = app.database.name();
    let sql = format!("alter role crm_app in database {name} set enable_seqscan = off");
    app.database.execute(&sql).await;
}

#[tokio::test]
async fn no_statement_of_the_hot_paths_looks_at_another_tenants_rows() {
    let (plans, _listening) = Explained::listening();
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    for tenant in [&acme, &globex] {
        tenant.post(CONTACTS, json!({"name": "Ada", "company": "Engines"})).await.created();
    }
    let person = acme.with_role(Role::Admin).await;
    app.worker().relay().await.unwrap();
    Explained::switch_on(&app.database, "crm_app").await;
    without_shortcuts(&app).await;
    // Connections from before know nothing of it.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'crm_app' and datname = current_database()";
    app.database.execute(end).await;
    until("the api has others", async || acme.get(CONTACTS).await.status == 200).await;

    let mut told = Vec::new();
    plans.forget();
    let contact = acme.post(CONTACTS, json!({"name": "Grace", "email": "g@example.com"})).await;
    let contact = format!("{CONTACTS}/{}", contact.created()["id"].as_str().unwrap());
    told.push(("create", plans.taken()));
    acme.get(&contact).await.ok();
    told.push(("get", plans.taken_with(reads("contacts")).await));
    acme.put(&contact, json!({"company": "Engines"})).await.ok();
    told.push(("update", plans.taken_with(reads("contacts")).await));
    acme.get(&format!("{CONTACTS}?company=engines&pageSize=20")).await.page();
    told.push(("list", plans.taken_with(reads("contacts")).await));
    acme.get("/api/v1/events?after=0").await.ok();
    told.push(("feed", plans.taken_with(reads("events")).await));
    let rows = json!({"contacts": [{"name": "Joan"}, {"name": "Jean"}]});
    acme.post(&format!("{CONTACTS}/import?async=false"), rows).await.ok();
    told.push(("import", plans.taken()));
    person.get(&contact).await.ok();
    told.push(("get with a session", plans.taken_with(reads("contacts")).await));

    for (path, statements) in &told {
        assert!(!statements.is_empty(), "no plan of a {path} arrived");
        let crossings = crossings(statements);
        assert!(crossings.is_empty(), "a {path} crosses tenants: {crossings:#?}");
    }
}

#[tokio::test]
async fn a_statement_that_crosses_tenants_is_noticed() {
    let (plans, _listening) = Explained::listening();
    let app = TestApp::start().await;
    app.tenant("acme").await;
    Explained::switch_on(&app.database, "crm_app").await;
    without_shortcuts(&app).await;
    plans.forget();
    let mut session = PgConnection::connect(&app.database.app_url()).await.unwrap();
    sqlx::raw_sql("begin; set local app.tenant_id = '019b7ca9-8f2e-7c00-8000-000000000000'")
        .execute(&mut session)
        .await
        .unwrap();
    sqlx::raw_sql("select name from contacts").execute(&mut session).await.unwrap();
    assert!(crossings(&plans.taken()).is_empty(), "row-level security names the tenant");
    let by_place = "select name from contacts where ctid = '(0,1)'";
    sqlx::raw_sql(by_place).execute(&mut session).await.unwrap();
    assert_eq!(crossings(&plans.taken()).len(), 1);
}
