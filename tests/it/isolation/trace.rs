//! Every route that writes leaves its trace in the audit log: who did what, in the transaction that did it.

use std::time::Duration;

use reqwest::Method;
use shared::scope::Role;
use sqlx::{AssertSqlSafe, PgPool};
use tests::kit::{Credential, Tenant, TestApp};
use uuid::Uuid;

use super::generator::{Table, plant, tables};
use super::http::{call, ids, name, probed};

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

/// Whether that transaction wrote a row of any other table.
async fn wrote_something(admin: &PgPool, tables: &[Table], transaction: &str) -> bool {
    for table in tables.iter().filter(|table| table.name != "audit_log") {
        let sql = format!("select exists (select from {} where xmin::text = $1)", table.name);
        let wrote = sqlx::query_scalar(AssertSqlSafe(sql)).bind(transaction).fetch_one(admin);
        if wrote.await.unwrap() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn every_write_leaves_an_entry_of_its_caller_in_its_own_transaction_and_a_rehearsal_none() {
    let app = TestApp::start().await;
    let admin = app.database.admin();
    let tables = tables(admin).await;
    let acme = app.tenant("acme").await;
    let token = acme.token(acme.owner, Role::Owner, Duration::from_mins(15));
    let owner = acme.with(Credential::Bearer(token));
    let key: Uuid = sqlx::query_scalar("select id from api_keys where tenant_id = $1")
        .bind(acme.id.0)
        .fetch_one(admin)
        .await
        .unwrap();
    let callers = [(&acme, format!("api_key {key}")), (&owner, format!("user {}", acme.owner))];
    let mut written = 0;
    for (route, probe) in probed().iter().filter(|(route, _)| route.method != Method::GET) {
        for (caller, actor) in &callers {
            let ids = ids(probe, &plant(admin, &tables, acme.id).await);
            if route.path.ends_with("/restore") {
                let path = route.path.replace("{id}", &ids[0]).replace("/restore", "");
                caller.delete(&path).await.no_content();
            }
            let known: Vec<Uuid> =
                entries(admin, &acme, &[]).await.into_iter().map(|(id, ..)| id).collect();
            let rehearsal = Some("dryRun=true".to_owned());
            let tried = call(caller, route, probe, &ids, rehearsal).await;
            assert!(tried.status.is_success(), "{}: {:#}", name(route), tried.body);
            let left = entries(admin, &acme, &known).await;
            assert!(left.is_empty(), "{} rehearsed and left {left:?}", name(route));

            let done = call(caller, route, probe, &ids, None).await;
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
