//! What an operation costs: the counts of many, divided.

use sqlx::{Connection as _, PgConnection};
use stats_alloc::Region;

use super::ALLOCATOR;
use super::budget::Cost;
use super::paths::Paths;

/// Operations before any are counted: prepared statements, plans, the memory of sessions.
const WARM_UP: u32 = 20;

/// Operations of a count.
const OPERATIONS: u32 = 60;

/// Counts one path.
pub async fn count(paths: &mut Paths, name: &str) -> Cost {
    let mut session = PgConnection::connect(&paths.app.database.admin_url()).await.unwrap();
    paths.prepare(name, WARM_UP).await;
    paths.run(name, WARM_UP).await;
    paths.prepare(name, OPERATIONS).await;

    paths.wire.settle().await;
    let (written, looked, passed) =
        (wal(&mut session).await, buffers(&mut session).await, paths.wire.passed());
    let region = Region::new(ALLOCATOR);
    paths.run(name, OPERATIONS).await;
    let memory = region.change();
    let (statements, round_trips) = paths.wire.passed();
    paths.wire.settle().await;

    let each = |total: f64| total / f64::from(OPERATIONS);
    Cost {
        statements: each(f64::from(statements - passed.0)),
        round_trips: each(f64::from(round_trips - passed.1)),
        buffers: each(buffers(&mut session).await - looked),
        wal_bytes: each(wal(&mut session).await - written),
        allocations: each(to_f64(memory.allocations)),
        allocated_kib: each(to_f64(memory.bytes_allocated)) / 1024.0,
    }
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("less than four thousand million"))
}

/// Where the log of PostgreSQL is.
async fn wal(session: &mut PgConnection) -> f64 {
    let sql = "select (pg_current_wal_insert_lsn() - '0/0')::float8";
    sqlx::query_scalar(sql).fetch_one(session).await.unwrap()
}

/// The pages that sessions have told to have looked at in this database.
async fn buffers(session: &mut PgConnection) -> f64 {
    let sql = "select (blks_hit + blks_read)::float8 from pg_stat_database where datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(session).await.unwrap()
}
