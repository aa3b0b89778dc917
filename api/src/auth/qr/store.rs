//! The SQL of sign-ins by QR code. Before a phone's user takes a row into a tenant, only the definer functions of
//! migration 0007 reach it.

use chrono::{DateTime, Utc};
use shared::id::{QrSessionId, SessionId, TenantId, UserId};
use shared::{Db, TenantTx, ask};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::Status;

/// A session to be.
pub(super) struct New<'a> {
    pub id: QrSessionId,
    pub poll_hash: Vec<u8>,
    pub scan_hash: Vec<u8>,
    pub match_code: &'a str,
    pub code_challenge: Option<&'a str>,
    pub tenant_hint: Option<TenantId>,
    pub device_name: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub ip_address: String,
    pub requested_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// False when the address has `most` sessions under way.
pub(super) async fn open(db: &Db, new: &New<'_>, most: i32) -> sqlx::Result<bool> {
    db.direct(async |conn| {
        sqlx::query_scalar!(
        r#"select open_qr_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as "opened!""#,
        new.id.0,
        new.poll_hash,
        new.scan_hash,
        new.match_code,
        new.code_challenge,
        new.tenant_hint.map(|tenant| tenant.to_string()),
        new.device_name,
        new.user_agent,
        new.ip_address,
        new.requested_at,
        new.expires_at,
        most,
    ).fetch_one(conn).await
    })
    .await
}

/// What the steps before the decision need to know.
pub(super) struct Row {
    pub tenant: Option<Uuid>,
    status: String,
    pub poll_hash: Vec<u8>,
    pub scan_hash: Vec<u8>,
    pub tenant_hint: Option<String>,
    pub device_name: Option<String>,
    pub user_agent: Option<String>,
    pub ip_address: String,
    pub scanned_session: Option<Uuid>,
    pub requested_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl Row {
    pub(super) fn status(&self, now: DateTime<Utc>) -> Status {
        current(&self.status, self.expires_at, now)
    }
}

/// The status that a row has at this time.
fn current(stored: &str, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Status {
    let status = Status::from(stored.to_owned());
    if !status.is_final() && expires_at <= now { Status::Expired } else { status }
}

pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    id: QrSessionId,
) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select tenant_id as tenant, status as "status!", poll_hash as "poll_hash!", scan_hash as "scan_hash!",
                  tenant_hint, device_name, user_agent, ip_address as "ip_address!", scanned_session,
                  requested_at as "requested_at!", expires_at as "expires_at!"
           from find_qr_session($1)"#,
        id.0,
    )
    .fetch_optional(executor)
    .await
}

/// The same outside any tenant.
pub(super) async fn find_anywhere(db: &Db, id: QrSessionId) -> sqlx::Result<Option<Row>> {
    ask!(db, |conn| find(conn, id)).await
}

/// The same in a phone's transaction.
pub(super) async fn find_for_phone(
    tx: &mut TenantTx,
    id: QrSessionId,
) -> sqlx::Result<Option<Row>> {
    find(tx.conn(), id).await
}

/// pending -> scanned, and into the transaction's tenant. False when another phone, the desktop or time was faster.
pub(super) async fn adopt(
    tx: &mut TenantTx,
    id: QrSessionId,
    (user, session): (UserId, SessionId),
    link_hash: &[u8],
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let now = tx.now();
    sqlx::query_scalar!(
        r#"select adopt_qr_session($1, $2, $3, $4, $5, $6) as "adopted!""#,
        id.0,
        user.0,
        session.0,
        link_hash,
        now,
        until,
    )
    .fetch_one(tx.conn())
    .await
}

/// pending -> cancelled. False when it is not pending any more.
pub(super) async fn cancel(db: &Db, id: QrSessionId) -> sqlx::Result<bool> {
    db.direct(async |conn| {
        sqlx::query_scalar!(
            r#"select cancel_qr_session($1, $2) as "cancelled!""#,
            id.0,
            db.clock().now()
        )
        .fetch_one(conn)
        .await
    })
    .await
}

/// What the steps from the decision on need to know.
pub(super) struct Claimed {
    status: String,
    expires_at: DateTime<Utc>,
    pub link_hash: Option<Vec<u8>>,
    pub match_code: String,
    pub tries_left: i32,
    pub code_challenge: Option<String>,
    pub device_name: Option<String>,
    pub ip_address: String,
    pub scanned_by: Option<UserId>,
    pub scanned_session: Option<SessionId>,
    pub session_id: Option<SessionId>,
    pub consumed_at: Option<DateTime<Utc>>,
}

impl Claimed {
    pub(super) fn status(&self, now: DateTime<Utc>) -> Status {
        current(&self.status, self.expires_at, now)
    }
}

/// Finds a row of the tenant and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: QrSessionId) -> sqlx::Result<Option<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"select q.status, q.expires_at, q.link_hash, q.match_code, q.tries_left, q.code_challenge, q.device_name,
                  q.ip_address, q.scanned_by as "scanned_by: UserId", q.scanned_session as "scanned_session: SessionId",
                  q.session_id as "session_id: SessionId", q.consumed_at
           from qr_sessions q where q.id = $1 for no key update of q"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Whether the session that scanned lives; it does so until the transaction ends.
pub(super) async fn lock_phone(tx: &mut TenantTx, id: SessionId) -> sqlx::Result<bool> {
    let held =
        sqlx::query!("select from sessions where id = $1 and revoked_at is null for share", id.0)
            .fetch_optional(tx.conn())
            .await?;
    Ok(held.is_some())
}

/// Stores a decision, or what is left of the tries.
pub(super) async fn decide(
    tx: &mut TenantTx,
    id: QrSessionId,
    status: Status,
    tries_left: i32,
    expires_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update qr_sessions set status = $2, tries_left = $3, expires_at = coalesce($4, expires_at)
         where id = $1 and status = 'scanned'",
        id.0,
        status.as_str(),
        tries_left,
        expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// linked -> consumed.
pub(super) async fn consume(
    tx: &mut TenantTx,
    id: QrSessionId,
    session: SessionId,
) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update qr_sessions set status = 'consumed', session_id = $2, consumed_at = $3
         where id = $1 and status = 'linked'",
        id.0,
        session.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
