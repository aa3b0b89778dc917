//! The SQL of reading the audit log.

use serde_json::value::RawValue;
use shared::TenantTx;
use shared::id::EntryId;
use sqlx::types::Json;

use super::{AuditActor, AuditEntry, AuditRecord};
use crate::list::Source;

/// What lists of entries select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, actor_type, actor_id, action, record_type, record_id, before, after, request_id, address, created_at",
    table: "audit_log",
    condition: "true",
    inside: None,
};

pub(super) async fn find(tx: &mut TenantTx, id: EntryId) -> sqlx::Result<Option<AuditEntry>> {
    let row = sqlx::query!(
        r#"select id as "id: EntryId", actor_type, actor_id, action, record_type, record_id,
                  before as "before: Json<Box<RawValue>>", after as "after: Json<Box<RawValue>>",
                  request_id, address, created_at
           from audit_log where id = $1"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| AuditEntry {
        id: row.id,
        actor: AuditActor { kind: row.actor_type, id: row.actor_id },
        action: row.action,
        record: AuditRecord { kind: row.record_type, id: row.record_id },
        before: row.before,
        after: row.after,
        request_id: row.request_id,
        address: row.address,
        created_at: row.created_at,
    }))
}
