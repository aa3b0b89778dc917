//! Events and deliveries are looked up by their ids, in the one partition that the id names.

use sqlx::AssertSqlSafe;
use tests::kit::Database;

/// The tables that are partitioned by id and have more than one index that begins with the tenant.
const TABLES: [&str; 2] = ["events", "webhook_events"];

/// How PostgreSQL would look up the first id of a partition's time.
async fn plan(database: &Database, table: &str, partition: &str) -> String {
    let suffix = partition.rsplit('_').next().unwrap();
    let day = if suffix == "rest" { "20000101" } else { suffix };
    let sql = format!(
        "explain select from {table} where tenant_id = '00000000-0000-0000-0000-000000000001' and id = first_id('{day}')"
    );
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(database.admin()).await.unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn an_id_is_looked_up_by_the_primary_key_while_nothing_is_known_of_a_partition() {
    let database = Database::migrated().await;
    for table in TABLES {
        let partitions = format!(
            "select relname::text from pg_inherits join pg_class on pg_class.oid = inhrelid
             where inhparent = '{table}'::regclass and reltuples = -1"
        );
        let partitions: Vec<String> = sqlx::query_scalar(AssertSqlSafe(partitions))
            .fetch_all(database.admin())
            .await
            .unwrap();
        assert!(partitions.len() >= 5, "today's, three more and the rest: {partitions:?}");
        for partition in partitions {
            let plan = plan(&database, table, &partition).await;
            assert!(plan.contains(&format!("using {partition}_pkey on {partition} ")), "{plan}");
        }
    }
}
