//! The catalog of a migrated database, audited: `audit.sql` says what it must not hold.

mod faults;

use std::collections::BTreeSet;

use faults::FAULTS;
use sqlx::{AssertSqlSafe, PgConnection};
use tests::kit::Database;

const AUDIT: &str = include_str!("audit.sql");

async fn violations(conn: &mut PgConnection) -> Vec<(String, String)> {
    sqlx::query_as(AUDIT).fetch_all(conn).await.unwrap()
}

async fn connect(database: &Database) -> PgConnection {
    use sqlx::Connection as _;
    PgConnection::connect(&database.admin_url()).await.unwrap()
}

#[tokio::test]
async fn a_migrated_database_breaks_no_rule() {
    let database = Database::migrated().await;
    let found = violations(&mut connect(&database).await).await;
    assert!(found.is_empty(), "{found:#?}");
}

/// Each fault is planted in a transaction that is rolled back: roles belong to the whole cluster, and other tests
/// are using them.
#[tokio::test]
async fn a_planted_fault_is_reported_by_its_own_rule_and_by_no_other() {
    let database = Database::migrated().await;
    let mut conn = connect(&database).await;
    let mut misses = Vec::new();
    for (rule, fault) in FAULTS {
        let plant = format!("begin; {fault}");
        sqlx::raw_sql(AssertSqlSafe(plant)).execute(&mut conn).await.expect(fault);
        let found = violations(&mut conn).await;
        sqlx::raw_sql("rollback").execute(&mut conn).await.unwrap();
        let rules: BTreeSet<&str> = found.iter().filter_map(|(_, text)| text.get(..3)).collect();
        if rules != BTreeSet::from([*rule]) {
            misses.push(format!("{rule} {fault}: {found:?}"));
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn every_rule_of_the_audit_has_a_planted_fault() {
    let rules: BTreeSet<&str> = AUDIT
        .split("'R")
        .filter_map(|rest| rest.get(..2))
        .filter(|number| number.parse::<u8>().is_ok())
        .collect();
    let planted: BTreeSet<&str> = FAULTS.iter().map(|(rule, _)| &rule[1..]).collect();
    assert!(rules.len() >= 17, "{rules:?}");
    assert_eq!(rules, planted);
}

/// A function in SQL that PostgreSQL does not put in place of its call is planned anew by each statement that calls it,
/// or by each transaction (docs/decisions/0037). They are asked with columns: a call with nothing but constants
/// vanishes anyway.
#[tokio::test]
async fn functions_of_the_hot_paths_leave_no_call_behind() {
    let database = Database::migrated().await;
    for (name, call) in [
        ("contact_emails_lock", "contact_emails_lock(id)"),
        ("delivery_id", "delivery_id(id, id)"),
        ("held_reason", "held_reason(name, true, created_at)"),
        ("is_parked", "is_parked(1, 1, id, created_at)"),
    ] {
        let sql = format!("explain verbose select {call} from tenants");
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(database.admin()).await.unwrap();
        assert!(!plan.concat().contains(name), "{plan:#?}");
    }
}
