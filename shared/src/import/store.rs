//! The SQL of imports themselves.

use super::{Import, MatchBy, Mode, Status};
use crate::changes;
use crate::db::TenantTx;
use crate::id::{ImportId, TenantId};

/// Keeps a new import, with who asked for it. A queued one is due at once.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut TenantTx, import: &Import) -> sqlx::Result<()> {
    let origin = tx.origin().clone();
    sqlx::query!(
        "insert into imports (tenant_id, id, status, mode, match_by, atomic, events, dry_run, total, processed, created,
                              updated, skipped, failed, error, actor_type, actor_id, request_id, traceparent, address,
                              version, created_at, updated_at, started_at, finished_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                 $23, $24, $25)",
        import.tenant_id.0,
        import.id.0,
        import.status.as_str(),
        import.mode.as_str(),
        import.match_by.map(MatchBy::as_str),
        import.atomic,
        import.events,
        import.dry_run,
        import.total,
        import.processed,
        import.created,
        import.updated,
        import.skipped,
        import.failed,
        import.error,
        origin.actor.kind(),
        origin.actor.id(),
        origin.request_id,
        origin.traceparent,
        origin.address.map(|address| address.to_string()),
        import.version,
        import.created_at,
        import.updated_at,
        import.started_at,
        import.finished_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An import.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut TenantTx, id: ImportId) -> sqlx::Result<Option<Import>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: ImportId", tenant_id as "tenant_id: TenantId", status as "status: Status", mode as "mode: Mode",
                  match_by as "match_by: MatchBy", atomic, events, dry_run, total, processed, created, updated, skipped,
                  failed, undone, kept, error, created_at, updated_at, started_at, finished_at, version
           from imports where id = $1"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.map(Row::import))
}

/// An import that nobody else works on; others are kept off it until the transaction ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut TenantTx, id: ImportId) -> sqlx::Result<Option<Import>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: ImportId", tenant_id as "tenant_id: TenantId", status as "status: Status", mode as "mode: Mode",
                  match_by as "match_by: MatchBy", atomic, events, dry_run, total, processed, created, updated, skipped,
                  failed, undone, kept, error, created_at, updated_at, started_at, finished_at, version
           from imports where id = $1 for update skip locked"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.map(Row::import))
}

/// Writes down how far an import is. While it goes on a worker may take its next batch at once.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut TenantTx, import: &mut Import) -> sqlx::Result<()> {
    let now = tx.now();
    changes::touch(&mut import.version, &mut import.updated_at, now);
    sqlx::query!(
        "update imports
         set status = $2, total = $3, processed = $4, created = $5, updated = $6, skipped = $7, failed = $8, undone = $9,
             kept = $10, error = $11, version = $12, updated_at = $13, started_at = $14, finished_at = $15, claims = 0,
             due_at = $16
         where id = $1",
        import.id.0,
        import.status.as_str(),
        import.total,
        import.processed,
        import.created,
        import.updated,
        import.skipped,
        import.failed,
        import.undone,
        import.kept,
        import.error,
        import.version,
        import.updated_at,
        import.started_at,
        import.finished_at,
        import.goes_on().then_some(now),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// From here on the worker acts for this transaction's actor.
///
/// # Errors
/// The database's.
pub async fn act_as(tx: &mut TenantTx, id: ImportId) -> sqlx::Result<()> {
    let origin = tx.origin().clone();
    sqlx::query!(
        "update imports set actor_type = $2, actor_id = $3, request_id = $4, traceparent = $5, address = $6 where id = $1",
        id.0,
        origin.actor.kind(),
        origin.actor.id(),
        origin.request_id,
        origin.traceparent,
        origin.address.map(|address| address.to_string()),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps erasures from looking for imports until this transaction ends: they would miss the one that it makes.
///
/// # Errors
/// The database's.
pub async fn lock_erasures(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "select pg_advisory_xact_lock_shared(hashtextextended('imports of ' || $1::uuid, 0))",
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes an import whose upload broke off, with its rows.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &mut TenantTx, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from imports where id = $1", id.0).execute(tx.conn()).await?;
    Ok(())
}

/// The columns of [`Import`].
struct Row {
    id: ImportId,
    tenant_id: TenantId,
    status: Status,
    mode: Mode,
    match_by: Option<MatchBy>,
    atomic: bool,
    events: bool,
    dry_run: bool,
    total: i32,
    processed: i32,
    created: i32,
    updated: i32,
    skipped: i32,
    failed: i32,
    undone: i32,
    kept: i32,
    error: Option<String>,
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
    started_at: Option<chrono::DateTime<chrono::Utc>>,
    finished_at: Option<chrono::DateTime<chrono::Utc>>,
    version: i32,
}

impl Row {
    fn import(self) -> Import {
        let import = Import {
            id: self.id,
            tenant_id: self.tenant_id,
            status: self.status,
            mode: self.mode,
            match_by: self.match_by,
            atomic: self.atomic,
            events: self.events,
            dry_run: self.dry_run,
            total: self.total,
            processed: self.processed,
            created: self.created,
            updated: self.updated,
            skipped: self.skipped,
            failed: self.failed,
            undone: self.undone,
            kept: self.kept,
            error: self.error,
            created_at: self.created_at,
            updated_at: self.updated_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            version: self.version,
            errors: None,
            undoable_until: None,
        };
        import.complete()
    }
}
