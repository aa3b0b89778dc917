//! Erases a tenant: everything of it in all tables, in batches. It can be stopped anywhere and begun again: what is
//! gone is gone, and what is left is found anew.

use std::collections::BTreeMap;

use sqlx::error::DatabaseError;

use super::tables::{Table, count, delete, tables, vacuum};
use super::{log, name};
use crate::db::{Db, Origin, fault};
use crate::id::TenantId;

/// Rows of one transaction.
const BATCH: i64 = 5_000;
/// A table that lost so many rows is vacuumed before rows of those that it refers to are deleted.
const MANY: u64 = 10_000;
/// How often a batch that met a deadlock or the like is tried.
const TRIES: u32 = 10;
/// After so many rounds that still found something, somebody writes faster than this erases.
const ROUNDS: u32 = 20;

/// Why a tenant was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is nothing of it.
    #[error("there is no such tenant, and nothing is left of one with this id")]
    Unknown,
    /// The batches never came to an end.
    #[error("something still writes for this tenant; stop it and erase again")]
    Busy,
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a tenant has: its name, unless its row is gone already, and its rows by table.
pub struct Holdings {
    /// The tenant's name.
    pub name: Option<String>,
    /// How many rows of each table are its own; tables without any are not named.
    pub rows: BTreeMap<String, u64>,
}

/// Counts, and changes nothing.
///
/// # Errors
/// [`EraseError::Unknown`], [`EraseError::Database`].
pub async fn holdings(db: &Db, tenant: TenantId) -> Result<Holdings, EraseError> {
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    let name = name(&mut tx).await?;
    let tables = tables(tx.conn()).await?;
    let counted = count(&mut tx, &tables).await?;
    tx.rollback().await?;
    let mut rows: BTreeMap<_, _> = counted
        .into_iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| (table.name, rows))
        .collect();
    if name.is_none() && rows.is_empty() {
        return Err(EraseError::Unknown);
    }
    if name.is_some() {
        rows.insert("tenants".to_owned(), 1);
    }
    Ok(Holdings { name, rows })
}

/// Erases everything, and keeps in the operators' log that it happened. `watch` hears of each batch.
///
/// # Errors
/// See [`EraseError`].
pub async fn erase(
    db: &Db,
    tenant: TenantId,
    mut watch: impl FnMut(&str, u64),
) -> Result<BTreeMap<String, u64>, EraseError> {
    shut(db, tenant).await?;
    let tables = db.direct(tables).await?;
    let mut erased = BTreeMap::new();
    let mut rounds = 0;
    while round(db, tenant, &tables, &mut erased, &mut watch).await? > 0 {
        rounds += 1;
        if rounds == ROUNDS {
            return Err(EraseError::Busy);
        }
    }
    finish(db, tenant, &tables, &mut erased).await?;
    // What was under way beside the last transaction and refers to no tenant's row.
    round(db, tenant, &tables, &mut erased, &mut watch).await?;
    Ok(erased)
}

/// From here on nobody comes in as this tenant, and no worker takes up anything of it.
async fn shut(db: &Db, tenant: TenantId) -> sqlx::Result<()> {
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    let now = tx.now();
    for statement in [
        "update api_keys set active = false where tenant_id = $1",
        "update users set active = false where tenant_id = $1",
        "update webhook_replays set due_at = null where tenant_id = $1",
        "update imports set due_at = null where tenant_id = $1",
        "update erasures set due_at = null where tenant_id = $1",
    ] {
        sqlx::query(statement).bind(tenant.0).execute(tx.conn()).await?;
    }
    for statement in [
        "update sessions set revoked_at = coalesce(revoked_at, $2) where tenant_id = $1",
        "update webhooks set active = false, deleted_at = coalesce(deleted_at, $2) where tenant_id = $1",
    ] {
        sqlx::query(statement).bind(tenant.0).bind(now).execute(tx.conn()).await?;
    }
    tx.commit().await
}

/// Goes through all tables once, and says how many rows it found.
async fn round(
    db: &Db,
    tenant: TenantId,
    tables: &[Table],
    erased: &mut BTreeMap<String, u64>,
    watch: &mut impl FnMut(&str, u64),
) -> sqlx::Result<u64> {
    let mut found = 0;
    for table in tables {
        let mut of_table = 0;
        loop {
            let rows = batch(db, tenant, table).await?;
            if rows == 0 {
                break;
            }
            of_table += rows;
            watch(&table.name, rows);
        }
        if of_table > 0 {
            *erased.entry(table.name.clone()).or_default() += of_table;
            found += of_table;
        }
        if of_table >= MANY {
            // As long as it takes: no bound of a statement holds here.
            let mut one = db.reading().await?;
            let vacuumed = vacuum(one.reader(), table).await;
            one.end(vacuumed)?;
        }
    }
    Ok(found)
}

async fn batch(db: &Db, tenant: TenantId, table: &Table) -> sqlx::Result<u64> {
    let mut tries = 0;
    loop {
        tries += 1;
        match tried(db, tenant, table).await {
            Err(error) if tries < TRIES && fault::is_transient(&error) => {}
            // A row that refers to this one was written meanwhile: the next round finds both.
            Err(error) if is_referred_to(&error) => return Ok(0),
            done => return done,
        }
    }
}

async fn tried(db: &Db, tenant: TenantId, table: &Table) -> sqlx::Result<u64> {
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    // By the key, row for row: anything else would read the whole tenant for each batch.
    for setting in ["set local enable_hashjoin = off", "set local enable_mergejoin = off"] {
        sqlx::query(setting).execute(tx.conn()).await?;
    }
    let deleted = delete(&mut tx, table, BATCH).await;
    tx.finish(deleted).await
}

fn is_referred_to(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation)
}

/// The tenant's row, with whatever has come since the last round: nothing can, while this holds the row.
async fn finish(
    db: &Db,
    tenant: TenantId,
    tables: &[Table],
    erased: &mut BTreeMap<String, u64>,
) -> sqlx::Result<()> {
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    sqlx::query("select from tenants where id = $1 for update")
        .bind(tenant.0)
        .execute(tx.conn())
        .await?;
    for table in tables {
        let rows = delete(&mut tx, table, i64::MAX).await?;
        if rows > 0 {
            *erased.entry(table.name.clone()).or_default() += rows;
        }
    }
    let gone =
        sqlx::query("delete from tenants where id = $1").bind(tenant.0).execute(tx.conn()).await?;
    if gone.rows_affected() > 0 {
        erased.insert("tenants".to_owned(), gone.rows_affected());
    }
    log(&mut tx, "tenant.erased", erased).await?;
    tx.commit().await
}
