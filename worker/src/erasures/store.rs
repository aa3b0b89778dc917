//! The SQL of erasures themselves.

use chrono::TimeDelta;
use shared::TenantTx;
use shared::id::ErasureId;

use super::{Counts, Cursor, Erasure, Stage};

/// An erasure that is not done and that nobody else works on; others are kept off it until the transaction ends.
pub(super) async fn take(tx: &mut TenantTx, id: ErasureId) -> sqlx::Result<Option<Erasure>> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        r#"select record_id, created_at, stage as "stage: Stage", cursor_at, cursor_id, cursor_row, fence, sought, events,
                  deliveries, attempts, audit_entries, activities, import_rows, answers
           from erasures where tenant_id = $1 and id = $2 and due_at is not null for update skip locked"#,
        tenant.0,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Erasure {
        id,
        record: row.record_id,
        created_at: row.created_at,
        stage: row.stage,
        cursor: Cursor { at: row.cursor_at, id: row.cursor_id, row: row.cursor_row },
        fence: row.fence,
        sought: row.sought,
        counts: Counts {
            events: row.events,
            deliveries: row.deliveries,
            attempts: row.attempts,
            audit_entries: row.audit_entries,
            activities: row.activities,
            import_rows: row.import_rows,
            answers: row.answers,
        },
    }))
}

/// Writes down how far it is, and that the next step is due after that pause. What was sought is forgotten at the end.
pub(super) async fn save(
    tx: &mut TenantTx,
    erasure: &Erasure,
    pause: TimeDelta,
) -> sqlx::Result<()> {
    let (tenant, now, counts) = (tx.tenant(), tx.now(), &erasure.counts);
    let done = erasure.stage == Stage::Done;
    sqlx::query!(
        "update erasures
         set stage = $3, cursor_at = $4, cursor_id = $5, cursor_row = $6, fence = $7, events = $8, deliveries = $9,
             attempts = $10, audit_entries = $11, activities = $12, import_rows = $13, answers = $14, claims = 0,
             due_at = $15, finished_at = $16, sought = case when $16::timestamptz is null then sought else '{}' end
         where tenant_id = $1 and id = $2",
        tenant.0,
        erasure.id.0,
        erasure.stage as Stage,
        erasure.cursor.at,
        erasure.cursor.id,
        erasure.cursor.row,
        erasure.fence,
        counts.events,
        counts.deliveries,
        counts.attempts,
        counts.audit_entries,
        counts.activities,
        counts.import_rows,
        counts.answers,
        (!done).then(|| now + pause),
        done.then_some(now),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The number of this transaction.
pub(super) async fn transaction(tx: &mut TenantTx) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select pg_current_xact_id()::text::bigint as "number!""#)
        .fetch_one(tx.conn())
        .await
}

/// Whether every transaction up to this number has ended: those that began later see what it wrote.
pub(super) async fn settled(tx: &mut TenantTx, fence: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $1 as "settled!""#,
        fence,
    )
    .fetch_one(tx.conn())
    .await
}
