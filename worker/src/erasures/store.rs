//! The SQL of erasures themselves.

use chrono::TimeDelta;
use shared::TenantTx;
use shared::id::ErasureId;

use super::{Counts, Cursor, Erasure, Stage};

/// An erasure that is not done and that nobody else works on; others are kept off it until the transaction ends.
pub(super) async fn take(tx: &mut TenantTx, id: ErasureId) -> sqlx::Result<Option<Erasure>> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        r#"select record_id, created_at, stage as "stage: Stage", cursor_at, cursor_id, cursor_row, sought, events,
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
         set stage = $3, cursor_at = $4, cursor_id = $5, cursor_row = $6, events = $7, deliveries = $8,
             attempts = $9, audit_entries = $10, activities = $11, import_rows = $12, answers = $13, claims = 0,
             due_at = $14, finished_at = $15, sought = case when $15::timestamptz is null then sought else '{}' end
         where tenant_id = $1 and id = $2",
        tenant.0,
        erasure.id.0,
        erasure.stage as Stage,
        erasure.cursor.at,
        erasure.cursor.id,
        erasure.cursor.row,
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
