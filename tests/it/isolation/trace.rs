//! Every route that writes leaves its trace in the audit log: who did what, in the transaction that did it. What it
//! announces is announced there, too.

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

/// The number of the newest event that was announced.
async fn newest(admin: &PgPool) -> i64 {
    let newest = "select coalesce(max(id), 0) from outbox";
    sqlx::query_scalar(newest).fetch_one(admin).await.unwrap()
}

/// The transactions that announced an event behind this number.
async fn announcing(admin: &PgPool, number: i64) -> Vec<String> {
    sqlx::query_scalar("select distinct xmin::text from outbox where id > $1")
        .bind(number)
        .fetch_all(admin)
        .await
        .unwrap()
}

/// The ids that the route is called with, once there is something to undo, restore or resume.
async fn prepared(caller: &Tenant, route: &Route, ids: Vec<String>) -> Vec<String> {
    if route.path.ends_with("/restore") {
        let path = route.path.replace("{id}", &ids[0]).replace("/restore", "");
        caller.delete(&path).await.no_content();
    }
    if route.path.ends_with("/undo") {
        let path = route.path.replace("imports/{id}/undo", "import");
        let done = caller.post(&path, json!({"contacts": [{"name": "Ada"}]})).await.ok();
        return vec![done["id"].as_str().unwrap().to_owned()];
    }
    if route.path.ends_with("/resume") {
        let path = route.path.replace("{id}", &ids[0]).replace("{replayId}", &ids[1]);
        caller.call(Method::POST, &path.replace("/resume", "/pause"), None).await.ok();
    }
    ids
}

/// A `POST` that only asks: what it asks about does not fit a query.
const QUESTIONS: &[&str] = &["POST /api/v1/webhooks/{id}/signature/verify"];

#[tokio::test]
async fn every_write_its_entry_and_its_events_are_one_commit_of_its_caller_and_a_rehearsal_leaves_none()
 {
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
    let (mut written, mut announced) = (0, 0);
    let writes =
        |route: &Route| route.method != Method::GET && !QUESTIONS.contains(&name(route).as_str());
    for (route, probe) in probed().iter().filter(|(route, _)| writes(route)) {
        for (caller, actor) in &callers {
            let world = plant(admin, &tables, acme.id).await;
            let ids = ids(probe, &world);
            // Only a user may sign out: one of this world, whose session may end.
            let (caller, actor) = match route.access {
                Access::User | Access::Session => {
                    let user = world["users"]["id"].as_str().unwrap();
                    (&super::http::caller(&acme, route, &world).await, &format!("user {user}"))
                }
                _ => (*caller, actor),
            };
            let ids = prepared(caller, route, ids).await;
            // Making the body may leave entries too: of what it refers to.
            let body = probe.make_body(caller).await;
            let (known, last) = (ids_of(admin, &acme).await, newest(admin).await);
            // Signing in by QR code takes steps that are no rehearsal.
            if !matches!(route.access, Access::User | Access::Session) {
                let rehearsal = Some("dryRun=true".to_owned());
                let tried = send(caller, route, &ids, rehearsal, body.clone()).await;
                assert!(tried.status.is_success(), "{}: {:#}", name(route), tried.body);
                let left = entries(admin, &acme, &known).await;
                assert!(left.is_empty(), "{} rehearsed and left {left:?}", name(route));
                assert_eq!(newest(admin).await, last, "{} rehearsed and told of it", name(route));
            }
            let done = send(caller, route, &ids, None, body).await;
            assert!(done.status.is_success(), "{}: {:#}", name(route), done.body);
            let entries = entries(admin, &acme, &known).await;
            assert!(!entries.is_empty(), "{} leaves no trace", name(route));
            for (_, who, what, transaction) in &entries {
                assert_eq!((who, name(route)), (actor, name(route)), "{what}");
                assert!(wrote_something(admin, &tables, transaction).await, "{}", name(route));
            }
            let told = announcing(admin, last).await;
            let ours = |told: &String| entries.iter().any(|(.., transaction)| transaction == told);
            assert!(told.iter().all(ours), "{} told of itself in another commit", name(route));
            (written, announced) = (written + 1, announced + usize::from(!told.is_empty()));
        }
    }
    assert!(written >= 20, "the routes that write have gone: {written}");
    assert!(announced >= 20, "the routes that announce have gone: {announced}");
}
