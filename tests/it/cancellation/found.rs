//! A record that is found by one statement, which is the whole transaction (docs/decisions/0039).

use api::crm::contacts;
use api::error::Error;
use serde_json::json;
use shared::db::Origin;
use shared::id::{ContactId, TenantId};
use tests::kit::{CONTACTS, TestApp};
use uuid::Uuid;

async fn show(app: &TestApp, tenant: TenantId, id: ContactId) -> Result<String, Error> {
    let mut tx = app.api.db.tenant_unbegun(tenant, Origin::default()).await?;
    let shown = contacts::show(&mut tx, id).await;
    tx.finish(shown).await.map(|contact| contact.name)
}

/// Two tenants, and a contact of the first.
async fn ada(app: &TestApp) -> (TenantId, TenantId, ContactId) {
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let ada = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let id: Uuid = ada["id"].as_str().unwrap().parse().unwrap();
    (acme.id, globex.id, ContactId(id))
}

#[tokio::test]
async fn it_is_the_tenants_own_and_the_tenant_is_gone_with_the_statement() {
    let app = TestApp::configured(|config| config.db.connections = 1).await;
    let (acme, globex, ada) = ada(&app).await;
    // Often enough for PostgreSQL to settle on a plan for all.
    for _ in 0..7 {
        assert_eq!(show(&app, acme, ada).await.unwrap(), "Ada");
        assert!(matches!(show(&app, globex, ada).await, Err(Error::NotFound(_))));
        let left = app.api.db.direct(async |conn| {
            let left = sqlx::query_scalar("select current_setting('app.tenant_id', true)");
            left.fetch_one(conn).await
        });
        let left: Option<String> = left.await.unwrap();
        assert_eq!(left.unwrap_or_default(), "");
    }
}

#[tokio::test]
async fn connections_that_died_a_moment_ago_go_unnoticed() {
    let app = TestApp::configured(|config| config.db.connections = 4).await;
    let (acme, _, ada) = ada(&app).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(app.api.db.tenant(acme, Origin::default()).await.unwrap());
    }
    for tx in open {
        tx.commit().await.unwrap();
    }
    let end = "select pg_terminate_backend(pid, 60000) from pg_stat_activity
               where usename = 'crm_app' and datname = current_database()";
    app.database.execute(end).await;
    assert_eq!(show(&app, acme, ada).await.unwrap(), "Ada");
}
