//! Every route that writes leaves its trace in the audit log: who did what, in the transaction that did it.

use api::http::routes::{Access, Route};
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use tests::kit::{Tenant, TestApp};
use uuid::Uuid;

use super::generator::{Table, plant, tables};
use super::http::{ids, name, probed, send};

/// The entries of a tenant that are not known yet: their ids, actors, actions and transactions.
async fn entries(
    admin: &PgPool,
    tenant: &Tenant,
    known: &[Uuid],
) -> Vec<(Uuid, String, String, String)> {
    sqlx::query_as(
        "select id, actor_type || ' ' || coalesce(actor_id::text, ''), action, xmin::text from audit_log
         where tenant_id = $1 and id <> all ($2)",
    )
    .bind(tenant.id.0)
    .bind(known)
    .fetch_all(admin)
    .await
    .unwrap()
}

/// The entries of a tenant that are there already.
async fn ids_of(admin: &PgPool, tenant: &Tenant) -> Vec<Uuid> {
    entries(admin, tenant, &[]).await.into_iter().map(|(id, ..)| id).collect()
}

/// Whether that transaction wrote a row of any other table.
async fn wrote_something(admin: &PgPool, tables: &[Table], transaction: &str) -> bool {
    let others = tables.iter().filter(|table| table.name != "audit_log");
    let rows = others.map(|table| format!("select from {} where xmin::text = $1", table.name));
    let sql = format!("select exists ({})", rows.collect::<Vec<_>>().join(" union all "));
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(transaction).fetch_one(admin).await.unwrap()
}

/// A `POST` that only asks: what it asks about does not fit a query.
const QUESTIONS: &[&str] = &["POST /api/v1/webhooks/{id}/signature/verify"];

#[tokio::test]
async fn every_write_leaves_an_entry_of_its_caller_in_its_own_transaction_and_a_rehearsal_none() {
    let app = TestApp::start().await;
    let admin = app.database.admin();
    let tables = tables(admin).await;
    let acme = app.tenant("acme").await;
    let owner = acme.as_user(acme.owner).await;
    let key: Uuid = sqlx::query_scalar("select id from api_keys where tenant_id = $1")
        .bind(acme.id.0)
        .fetch_one(admin)
        .await
        .unwrap();
    let callers = [(&acme, format!("api_key {key}")), (&owner, format!("user {}", acme.owner))];
    let mut written = 0;
    let writes =
        |route: &Route| route.method != Method::GET && !QUESTIONS.contains(&name(route).as_str());
    for (route, probe) in probed().iter().filter(|(route, _)| writes(route)) {
        for (caller, actor) in &callers {
            let world = plant(admin, &tables, acme.id).await;
            let mut ids = ids(probe, &world);
            // Only a user may sign out: one of this world, whose session may end.
            let (caller, actor) = match route.access {
                Access::User | Access::Session => {
                    let user = world["users"]["id"].as_str().unwrap();
                    (&super::http::caller(&acme, route, &world).await, &format!("user {user}"))
                }
                _ => (*caller, actor),
            };
            if route.path.ends_with("/restore") {
                let path = route.path.replace("{id}", &ids[0]).replace("/restore", "");
                caller.delete(&path).await.no_content();
            }
            if route.path.ends_with("/undo") {
                let path = route.path.replace("imports/{id}/undo", "import");
                let done = caller.post(&path, json!({"contacts": [{"name": "Ada"}]})).await.ok();
                ids = vec![done["id"].as_str().unwrap().to_owned()];
            }
            if route.path.ends_with("/resume") {
                let path = route.path.replace("{id}", &ids[0]).replace("{replayId}", &ids[1]);
                caller.call(Method::POST, &path.replace("/resume", "/pause"), None).await.ok();
            }
            // Making the body may leave entries too: of what it refers to.
            let body = probe.make_body(caller).await;
            let known = ids_of(admin, &acme).await;
            // Signing in by QR code takes steps that are no rehearsal.
            if !matches!(route.access, Access::User | Access::Session) {
                let rehearsal = Some("dryRun=true".to_owned());
                let tried = send(caller, route, &ids, rehearsal, body.clone()).await;
                assert!(tried.status.is_success(), "{}: {:#}", name(route), tried.body);
                let left = entries(admin, &acme, &known).await;
                assert!(left.is_empty(), "{} rehearsed and left {left:?}", name(route));
            }
            let done = send(caller, route, &ids, None, body).await;
            assert!(done.status.is_success(), "{}: {:#}", name(route), done.body);
            let entries = entries(admin, &acme, &known).await;
            assert!(!entries.is_empty(), "{} leaves no trace", name(route));
            for (_, who, what, transaction) in entries {
                assert_eq!((&who, name(route)), (actor, name(route)), "{what}");
                assert!(wrote_something(admin, &tables, &transaction).await, "{}", name(route));
            }
            written += 1;
        }
    }
    assert!(written >= 20, "the routes that write have gone: {written}");
}
