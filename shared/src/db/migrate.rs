//! Migrations, embedded in the binary and run as the owner of the schema, never as a login of the product.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{DatabaseUrl, indexes};

/// Every migration of this version, in order.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Locked while roles and migrations run: sqlx's own lock begins only with the migrations. Any number of ours.
const MIGRATING: i64 = 0x6d69_6772_6174_6521;

/// The pause between two tries for the lock of migrations.
const AGAIN: Duration = Duration::from_millis(100);

const ROLES: &str = include_str!("../../../deploy/roles.sql");

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The roles are missing and this login may not create them.
    #[error(
        "the roles are missing and this login may not create them: run deploy/roles.sql as a superuser first"
    )]
    Roles(#[source] sqlx::Error),
    /// This login may not act for the owner.
    #[error("this login may not act as crm_owner: grant it, or migrate as a superuser")]
    Owner(#[source] sqlx::Error),
    /// A migration failed, or one that ran before has been edited since.
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database cannot be reached, or another statement failed.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Creates missing roles where the login may, then runs all migrations that have not run. Safe to run at any time
/// and from several places at once: they wait for each other. `false` when invalid indexes were left because somebody
/// was building one: run it again.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(url: &DatabaseUrl) -> Result<bool, MigrateError> {
    let mut conn = url.connect().await?;
    // An index is made for as long as it takes.
    sqlx::raw_sql("set statement_timeout = 0").execute(&mut conn).await?;
    take_turn(&mut conn).await?;
    if !roles_exist(&mut conn).await? {
        sqlx::raw_sql(ROLES).execute(&mut conn).await.map_err(MigrateError::Roles)?;
    }
    sqlx::raw_sql("set role crm_owner").execute(&mut conn).await.map_err(MigrateError::Owner)?;
    MIGRATOR.run_direct(None, &mut conn, false).await?;
    let whole = finish_indexes(&mut conn).await?;
    sqlx::raw_sql("grant select on _sqlx_migrations to crm_app, crm_worker")
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    Ok(whole)
}

/// Takes the lock of migrations until the connection ends. It polls: a statement that waited would hold a snapshot, and
/// an index that is built concurrently waits for all older ones.
async fn take_turn(conn: &mut PgConnection) -> sqlx::Result<()> {
    let taken = "select pg_try_advisory_lock($1)";
    while !sqlx::query_scalar(taken).bind(MIGRATING).fetch_one(&mut *conn).await? {
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

/// Rebuilds our indexes whose build was interrupted and drops what a `reindex` left. While anybody builds one it
/// touches none: it may be one of these. `false` when some are left.
async fn finish_indexes(conn: &mut PgConnection) -> sqlx::Result<bool> {
    if indexes::are_made(conn).await? {
        return Ok(indexes::invalid(conn).await?.is_empty());
    }
    let wanted = indexes::wanted();
    for index in indexes::invalid(conn).await? {
        let sql = match indexes::leftover_of(&index) {
            None if wanted.contains(&index) => format!("reindex index concurrently {index}"),
            Some(whole) if wanted.contains(whole) => {
                format!("drop index concurrently if exists {index}")
            }
            _ => continue,
        };
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(true)
}

/// Whether the roles exist *and* may work in this database: roles belong to the cluster, rights to the database.
async fn roles_exist(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let known: i64 = sqlx::query_scalar(
        "select count(*) from pg_roles
         where rolname in ('crm_owner', 'crm_app', 'crm_worker', 'crm_auth', 'crm_search')",
    )
    .fetch_one(&mut *conn)
    .await?;
    if known < 5 {
        return Ok(false);
    }
    sqlx::query_scalar(
        "select has_schema_privilege('crm_owner', 'public', 'create')
            and has_database_privilege('crm_owner', current_database(), 'create')",
    )
    .fetch_one(conn)
    .await
}
