//! Looks callers up before their tenant is known, through the definer functions of migrations 0001, 0007 and 0014.

use chrono::{DateTime, Utc};
use shared::db::Origin;
use shared::id::{ApiKeyId, SessionId, TenantId, UserId};
use shared::{Db, ask};
use uuid::Uuid;

use super::batch::Question;

pub(super) struct KeyRow {
    /// Which of the questions it answers, from 1.
    place: i64,
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub hash: Vec<u8>,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub rate_limits: serde_json::Value,
    pub secret_expires_at: Option<DateTime<Utc>>,
    pub allowed_ips: Option<Vec<String>>,
}

/// The prefix of a key.
pub(super) struct Prefix(pub String);

// The planner takes an array's length from its value: a plan for one question always seemed cheaper than the generic
// one, so each statement was planned anew, which takes as long as the look-up. Behind `(select …)` it cannot see the
// value, and keeps the plan.
impl Question for Prefix {
    /// The live keys with a secret of this prefix: one, or none.
    type Answer = Vec<KeyRow>;

    async fn ask(db: &Db, prefixes: &[Self]) -> sqlx::Result<Vec<Vec<KeyRow>>> {
        let texts: Vec<&str> = prefixes.iter().map(|prefix| prefix.0.as_str()).collect();
        let rows = ask!(db, |conn| sqlx::query_as!(
            KeyRow,
            r#"select asked.place as "place!", key.tenant_id as "tenant_id!", key.id as "id!", key.hash as "hash!",
                      key.scopes as "scopes!", key.expires_at, key.secret_expires_at, key.allowed_ips,
                      key.rate_limits as "rate_limits!"
               from unnest((select $1::text[])) with ordinality as asked (prefix, place)
               cross join lateral find_api_key(asked.prefix) as key"#,
            &texts as &[&str],
        )
        .fetch_all(conn))
        .await?;
        Ok(in_their_places(prefixes.len(), rows, |row| row.place))
    }
}

pub(super) struct SessionRow {
    place: i64,
    pub role: String,
    pub generation: i32,
    pub expires_at: DateTime<Utc>,
    pub rate_limits: serde_json::Value,
}

/// The session that an access token names.
pub(super) struct Session {
    pub tenant: TenantId,
    pub user: UserId,
    pub id: SessionId,
}

impl Question for Session {
    /// None once revoked, or while its user is inactive.
    type Answer = Option<SessionRow>;

    async fn ask(db: &Db, sessions: &[Self]) -> sqlx::Result<Vec<Option<SessionRow>>> {
        let tenants: Vec<Uuid> = sessions.iter().map(|session| session.tenant.0).collect();
        let users: Vec<Uuid> = sessions.iter().map(|session| session.user.0).collect();
        let ids: Vec<Uuid> = sessions.iter().map(|session| session.id.0).collect();
        let rows = ask!(db, |conn| sqlx::query_as!(
            SessionRow,
            r#"select asked.place as "place!", session.role as "role!", session.generation as "generation!",
                      session.expires_at as "expires_at!", session.rate_limits as "rate_limits!"
               from unnest((select $1::uuid[]), (select $2::uuid[]), (select $3::uuid[])) with ordinality
                    as asked (tenant, usr, id, place)
               cross join lateral find_session(asked.tenant, asked.usr, asked.id) as session"#,
            &tenants,
            &users,
            &ids,
        )
        .fetch_all(conn))
        .await?;
        let found = in_their_places(sessions.len(), rows, |row| row.place);
        Ok(found.into_iter().map(|mut rows| rows.pop()).collect())
    }
}

/// The row that was found for each question, by the question's place from 1.
fn in_their_places<R>(questions: usize, rows: Vec<R>, place: fn(&R) -> i64) -> Vec<Vec<R>> {
    let mut found: Vec<Vec<R>> = std::iter::repeat_with(Vec::new).take(questions).collect();
    for row in rows {
        let place = usize::try_from(place(&row) - 1).ok();
        if let Some(place) = place.and_then(|place| found.get_mut(place)) {
            place.push(row);
        }
    }
    found
}

pub(super) struct UserRow {
    pub id: UserId,
    pub role: String,
    pub rate_limits: serde_json::Value,
}

/// The active user of this address, in any case of its letters.
pub(super) async fn find_user_by_email(
    db: &Db,
    tenant: TenantId,
    email: &str,
) -> sqlx::Result<Option<UserRow>> {
    ask!(db, |conn| sqlx::query_as!(
        UserRow,
        r#"select id as "id!: UserId", role as "role!", rate_limits as "rate_limits!"
           from find_user_by_email($1, $2)"#,
        tenant.0,
        email,
    )
    .fetch_optional(conn))
    .await
}

/// The tenant and the session that a refresh token belongs to, used or not.
pub(super) async fn find_refresh_token(
    db: &Db,
    hash: &[u8],
) -> sqlx::Result<Option<(TenantId, SessionId)>> {
    let found = ask!(db, |conn| sqlx::query!(
        r#"select tenant_id as "tenant_id!", session_id as "session_id!" from find_refresh_token($1)"#,
        hash,
    )
    .fetch_optional(conn))
    .await?;
    Ok(found.map(|row| (TenantId(row.tenant_id), SessionId(row.session_id))))
}

/// The demo tenant of this name.
pub(super) async fn find_demo_tenant(db: &Db, name: &str) -> sqlx::Result<Option<TenantId>> {
    let found = ask!(db, |conn| sqlx::query_scalar!(
        r#"select id as "id!" from find_demo_tenant($1)"#,
        name
    )
    .fetch_optional(conn))
    .await?;
    Ok(found.map(TenantId))
}

/// Writes when keys of a tenant were used, unless another process has written it since `then`.
pub(super) async fn used(
    db: &Db,
    tenant: TenantId,
    keys: &[ApiKeyId],
    now: DateTime<Utc>,
    then: DateTime<Utc>,
) -> sqlx::Result<()> {
    let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    let written = sqlx::query!(
        "update api_keys set last_used_at = $2
         where id = any($1) and (last_used_at is null or last_used_at <= $3)",
        &keys,
        now,
        then,
    )
    .execute(tx.conn())
    .await;
    tx.finish(written).await?;
    Ok(())
}
