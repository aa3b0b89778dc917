//! The SQL of erasures.

use shared::TenantTx;
use shared::id::{ErasureId, TenantId};
use uuid::Uuid;

use super::Erasure;
use crate::list::Source;

/// What lists of erasures select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, record_type, record_id, status, events, deliveries, attempts, audit_entries, activities, \
        import_rows, answers, created_at, finished_at",
    table: "erasures",
    condition: "true",
    inside: None,
};

pub(super) async fn find(tx: &mut TenantTx, id: ErasureId) -> sqlx::Result<Option<Erasure>> {
    sqlx::query_as!(
        Erasure,
        r#"select id as "id: ErasureId", tenant_id as "tenant_id: TenantId", record_type, record_id,
                  status, events, deliveries, attempts, audit_entries, activities, import_rows, answers, created_at, finished_at
           from erasures where id = $1"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn find_of(tx: &mut TenantTx, record: Uuid) -> sqlx::Result<Option<Erasure>> {
    sqlx::query_as!(
        Erasure,
        r#"select id as "id: ErasureId", tenant_id as "tenant_id: TenantId", record_type, record_id,
                  status, events, deliveries, attempts, audit_entries, activities, import_rows, answers, created_at, finished_at
           from erasures where record_id = $1"#,
        record,
    )
    .fetch_optional(tx.conn())
    .await
}

/// It is due at once.
pub(super) async fn insert(
    tx: &mut TenantTx,
    erasure: &Erasure,
    sought: &[String],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into erasures (tenant_id, id, record_type, record_id, sought, due_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        erasure.tenant_id.0,
        erasure.id.0,
        erasure.record_type,
        erasure.record_id,
        sought,
        erasure.created_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
