//! A creation that is one statement and nothing else (docs/decisions/0035).

use serde_json::json;
use sqlx::postgres::PgListener;
use tests::kit::{CONTACTS, PATIENCE, TestApp};

/// Nothing else rings in this process: no task carries the bell.
#[tokio::test]
async fn a_contact_that_is_created_alone_wakes_the_workers_with_its_statement() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut workers = PgListener::connect(&app.database.admin_url()).await.unwrap();
    workers.listen("outbox").await.unwrap();

    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();

    let heard = tokio::time::timeout(PATIENCE, workers.recv()).await;
    assert_eq!(heard.expect("nothing was heard").unwrap().payload(), "events");
    assert_eq!(app.announced().await, ["contact.created"]);
}

#[tokio::test]
async fn what_the_database_refuses_leaves_neither_trace_nor_tenant() {
    let app = TestApp::configured(|config| config.db.connections = 1).await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "externalId": "1"});
    acme.post(CONTACTS, ada.clone()).await.created();

    assert_eq!(acme.post(CONTACTS, ada.clone()).await.status, 409);

    let naked = sqlx::query("select 1 from contacts");
    let naked = app.api.db.direct(async |conn| naked.execute(conn).await).await;
    assert!(naked.is_err(), "a borrower without a tenant saw {naked:?}");
    assert_eq!(app.announced().await, ["contact.created"]);
    let entries: i64 =
        sqlx::query_scalar("select count(*) from audit_log where record_type = 'contact'")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!(entries, 1);
    acme.post(CONTACTS, json!({"name": "Grace"})).await.created();
}

#[tokio::test]
async fn what_is_only_tried_or_names_a_company_is_a_transaction() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company =
        acme.post("/api/v1/connection/companies", json!({"name": "ACME"})).await.created();
    let ada = json!({"name": "Ada", "companyId": company["id"]});

    let tried = acme.post(&format!("{CONTACTS}?dryRun=true"), ada.clone()).await;
    assert_eq!(tried.body["metadata"]["events"], json!(["contact.created"]));
    assert_eq!(app.announced().await, ["company.created"]);

    let contact = acme.post(CONTACTS, ada).await.created();
    assert_eq!(contact["company"], "ACME");
    assert_eq!(app.announced().await, ["company.created", "contact.created"]);
}
