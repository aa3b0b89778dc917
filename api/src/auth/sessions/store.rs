//! The SQL of sessions and refresh tokens.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{SessionId, UserId};

use super::{Client, SignIn};
use crate::list::Source;

/// What lists of a user's sessions select from.
pub(super) fn source(user: UserId) -> Source {
    Source {
        columns: "id, created_via, approved_by, device_name, user_agent, ip_address, created_at, last_used_at, expires_at",
        table: "sessions",
        condition: "revoked_at is null",
        inside: Some(("user_id", user.0)),
    }
}

/// An active user, with the name of its tenant.
pub(super) struct User {
    pub name: String,
    pub role: String,
    pub tenant_name: String,
}

/// Finds whom a session is opened for, and keeps whoever switches the user off or signs it out everywhere waiting until
/// the session can be seen.
pub(super) async fn lock_user_shared(tx: &mut TenantTx, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        "select u.name, u.role, t.name as tenant_name from users u join tenants t on t.id = u.tenant_id
         where u.id = $1 and u.active for share of u",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Waits for those who are signing in as the user, and keeps others off.
pub(super) async fn lock_user(tx: &mut TenantTx, id: UserId) -> sqlx::Result<()> {
    sqlx::query!("select from users where id = $1 for no key update", id.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The same for who has a session already.
pub(super) async fn find_user(tx: &mut TenantTx, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        "select u.name, u.role, t.name as tenant_name from users u join tenants t on t.id = u.tenant_id
         where u.id = $1 and u.active",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// What decides whether a session lives.
pub(super) struct Live {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_via: String,
    pub generation: i32,
    pub expires_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Live {
    pub(super) fn lives(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

pub(super) async fn insert(tx: &mut TenantTx, session: &Live, by: &SignIn) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into sessions (tenant_id, id, user_id, created_via, device_name, user_agent, ip_address,
                               created_at, last_used_at, expires_at, ends_at, approved_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)",
        tenant.0,
        session.id.0,
        session.user_id.0,
        session.created_via,
        by.device_name,
        by.client.user_agent,
        by.client.address.to_string(),
        now,
        session.expires_at,
        session.ends_at,
        by.approved_by.map(|id| id.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Finds a session and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: SessionId) -> sqlx::Result<Option<Live>> {
    sqlx::query_as!(
        Live,
        r#"select id as "id: SessionId", user_id as "user_id: UserId", created_via, generation, expires_at, ends_at,
                  revoked_at
           from sessions where id = $1 for no key update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Notes that tokens are issued anew.
pub(super) async fn touch(tx: &mut TenantTx, session: &Live, by: &Client) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update sessions set generation = $2, expires_at = $3, last_used_at = $4, user_agent = $5, ip_address = $6
         where id = $1",
        session.id.0,
        session.generation,
        session.expires_at,
        now,
        by.user_agent,
        by.address.to_string(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn set_generation(tx: &mut TenantTx, session: &Live) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions set generation = $2 where id = $1",
        session.id.0,
        session.generation
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends a session of the user and those that it approved, that these approved, and so on; the ones that lived.
pub(super) async fn revoke_line(
    tx: &mut TenantTx,
    (user, id): (UserId, SessionId),
    reason: &str,
) -> sqlx::Result<Vec<SessionId>> {
    let now = tx.now();
    sqlx::query_scalar!(
        r#"with recursive line as (
               select id from sessions where id = $2 and user_id = $1
               union
               select s.id from line join sessions s on s.user_id = $1 and s.approved_by = line.id)
           update sessions set revoked_at = $3, revoked_reason = $4
           where id in (select id from line) and revoked_at is null and expires_at > $3
           returning id as "id: SessionId""#,
        user.0,
        id.0,
        now,
        reason,
    )
    .fetch_all(tx.conn())
    .await
}

/// False when the user has no such session, or it has ended.
pub(super) async fn revoke_own(
    tx: &mut TenantTx,
    user: UserId,
    id: SessionId,
    reason: &str,
) -> sqlx::Result<bool> {
    let now = tx.now();
    let done = sqlx::query!(
        "update sessions set revoked_at = $3, revoked_reason = $4
         where id = $1 and user_id = $2 and revoked_at is null and expires_at > $3",
        id.0,
        user.0,
        now,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The sessions that were ended by this.
pub(super) async fn revoke_all(
    tx: &mut TenantTx,
    user: UserId,
    reason: &str,
) -> sqlx::Result<Vec<SessionId>> {
    let now = tx.now();
    sqlx::query_scalar!(
        r#"update sessions set revoked_at = $2, revoked_reason = $3
           where user_id = $1 and revoked_at is null and expires_at > $2
           returning id as "id: SessionId""#,
        user.0,
        now,
        reason,
    )
    .fetch_all(tx.conn())
    .await
}

/// Ended sessions deleted at once: whoever waits for this is signing in.
const SWEPT: i64 = 100;

/// Deletes some of the user's sessions that ended before then, with their tokens.
pub(super) async fn sweep(
    tx: &mut TenantTx,
    user: UserId,
    before: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from sessions where (tenant_id, id) in (
             select tenant_id, id from sessions where user_id = $1 and (expires_at < $2 or revoked_at < $2) limit $3)",
        user.0,
        before,
        SWEPT,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A refresh token, used or not.
pub(super) struct Token {
    pub number: i32,
    pub used_at: Option<DateTime<Utc>>,
    pub voided_at: Option<DateTime<Utc>>,
}

pub(super) async fn find_token(
    tx: &mut TenantTx,
    session: SessionId,
    hash: &[u8],
) -> sqlx::Result<Option<Token>> {
    sqlx::query_as!(
        Token,
        "select number, used_at, voided_at from refresh_tokens where session_id = $1 and hash = $2",
        session.0,
        hash,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Adds the session's next token; forgets those that are older than a session can be idle.
pub(super) async fn insert_token(
    tx: &mut TenantTx,
    session: SessionId,
    hash: &[u8],
    forget: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into refresh_tokens (tenant_id, session_id, number, hash, created_at)
         select $1, $2, coalesce(max(number), 0) + 1, $3, $4 from refresh_tokens where session_id = $2",
        tenant.0,
        session.0,
        hash,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "delete from refresh_tokens where session_id = $1 and created_at < $2",
        session.0,
        forget
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn mark_used(
    tx: &mut TenantTx,
    session: SessionId,
    number: i32,
) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update refresh_tokens set used_at = $3 where session_id = $1 and number = $2",
        session.0,
        number,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether any token that was issued after this one has been used.
pub(super) async fn used_after(
    tx: &mut TenantTx,
    session: SessionId,
    number: i32,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from refresh_tokens where session_id = $1 and number > $2 and used_at is not null)
           as "used!""#,
        session.0,
        number,
    )
    .fetch_one(tx.conn())
    .await
}

pub(super) async fn void_after(
    tx: &mut TenantTx,
    session: SessionId,
    number: i32,
) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update refresh_tokens set voided_at = $3 where session_id = $1 and number > $2 and voided_at is null",
        session.0,
        number,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
