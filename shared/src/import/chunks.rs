//! Rows that wait for a worker, in chunks of at most [`BATCH`]: written once, and taken away by whoever applies them.

use serde::{Deserialize, Serialize};

use super::BATCH;
use crate::contacts::ContactPatch;
use crate::db::{TenantTx, json};
use crate::id::ImportId;

/// A row as it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Its place in the file, from 1.
    pub row: i32,
    /// The line of the file that it begins on, from 1, where the format has lines.
    pub line: Option<i32>,
    /// JSON text.
    pub input: String,
}

/// A row that waits.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pending {
    /// How it was sent.
    pub sent: Sent,
    /// What it says.
    pub patch: ContactPatch,
}

/// The next rows of an import.
pub(super) struct Chunk {
    /// In their order.
    pub rows: Vec<Pending>,
    /// Whether there are none behind them.
    pub last: bool,
}

/// Keeps rows, in their order.
///
/// # Errors
/// The database's.
pub async fn keep(tx: &mut TenantTx, import: ImportId, rows: &[Pending]) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    for rows in rows.chunks(BATCH) {
        sqlx::query!(
            "insert into import_chunks (tenant_id, import_id, first, rows) values ($1, $2, $3, $4::text::json)",
            tenant.0,
            import.0,
            rows[0].sent.row,
            json(&rows)?,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Takes the next rows away.
pub(super) async fn take(tx: &mut TenantTx, import: ImportId) -> sqlx::Result<Option<Chunk>> {
    let taken = sqlx::query!(
        r#"delete from import_chunks c
           where c.import_id = $1
             and c.first = (select first from import_chunks where import_id = $1 order by first limit 1)
           returning rows::text as "rows!",
                     not exists (select from import_chunks o where o.import_id = $1 and o.first > c.first) as "last!""#,
        import.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    match taken {
        Some(taken) => {
            let rows = serde_json::from_str(&taken.rows);
            let rows = rows.map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Some(Chunk { rows, last: taken.last }))
        }
        None if adopt(tx, import).await? => Box::pin(take(tx, import)).await,
        None => Ok(None),
    }
}

/// Makes chunks of the rows that an api of the version before has kept one by one; says whether there were any.
async fn adopt(tx: &mut TenantTx, import: ImportId) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    let adopted = sqlx::query!(
        "with alone as (
             delete from import_rows where import_id = $2 and outcome is null returning row, line, input, contact)
         insert into import_chunks (tenant_id, import_id, first, rows)
         select $1, $2, min(row), json_agg(
             json_build_object('sent', json_build_object('row', row, 'line', line, 'input', input::text), 'patch', contact)
             order by row)
         from alone group by (row - 1) / $3::integer",
        tenant.0,
        import.0,
        i32::try_from(BATCH).unwrap_or(i32::MAX),
    );
    Ok(adopted.execute(tx.conn()).await?.rows_affected() > 0)
}

/// Forgets what nobody will apply any more.
///
/// # Errors
/// The database's.
pub async fn give_up(tx: &mut TenantTx, import: ImportId) -> sqlx::Result<()> {
    sqlx::query!(
        "with alone as (delete from import_rows where import_id = $1 and outcome is null)
         delete from import_chunks where import_id = $1",
        import.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
