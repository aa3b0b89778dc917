//! Users' sessions: opened by a sign-in, kept alive by refresh tokens, ended by their user (requirements ).
//!
//! A refresh token works once. Presented again it revokes the session, because two parties hold it; unless that is
//! within [`GRACE`] and its successor is unused: then an answer was lost, and the successor is void.

mod answer;
mod client;
mod http;
mod store;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::audit::Actor;
use shared::id::{SessionId, TenantId, UserId};
use shared::{Db, TenantTx};

use super::opaque::{self, OpaqueToken};
use super::token::{Grant, TokenKeys};
use crate::changes;
use crate::error::{Error, Result};
use crate::http::{Listed, Resource};
use crate::list::{Column, Kind, List, ListQuery, Operator};
pub use answer::{Session, SessionRef, SignedIn, TenantRef, UserRef};
pub use client::Client;
pub use http::routes;

/// How refresh tokens begin.
pub const REFRESH: &str = "crt_";

/// How long an access token lives.
pub const ACCESS: TimeDelta = TimeDelta::minutes(15);
/// How long a session lives without being refreshed.
pub const IDLE: TimeDelta = TimeDelta::days(7);
/// How long a session lives at most.
pub const ABSOLUTE: TimeDelta = TimeDelta::days(30);
/// How long an answer counts as possibly lost.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);
/// The deadline of requests for tokens: it leaves time within [`GRACE`] to ask again.
pub const PROMPT: Duration = Duration::from_secs(5);
/// How long an ended session is kept.
const KEPT: TimeDelta = TimeDelta::days(30);

const REFUSED: Error = Error::InvalidToken("The refresh token is not valid");

shared::words! {
    /// How a session came to be.
    pub enum Via {
        /// A desktop's QR code, approved on a phone.
        Qr = "qr",
        /// Demo login.
        Demo = "demo",
        /// `api admin token`.
        Admin = "admin",
    }
}

/// Who signs in, and how.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The user.
    pub user: UserId,
    /// How.
    pub via: Via,
    /// The session that approved it, if one did: they end together when it is taken to be a stranger's.
    pub approved_by: Option<SessionId>,
    /// What the user calls the device.
    pub device_name: Option<String>,
    /// From where.
    pub client: Client,
}

/// What became of a refresh. Either way there is something to commit.
pub enum Renewal {
    /// A fresh pair.
    Renewed(Box<SignedIn>),
    /// The token is not valid any more, and perhaps nor is its session.
    Refused,
}

impl Resource for SessionId {
    const NAME: &'static str = "Session";
}

/// What lists of sessions can be asked.
pub static LIST: List = List {
    columns: &[Column { name: "createdAt", sql: "created_at", kind: Kind::Time }],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// Opens a session and issues its first pair of tokens. Sweeps the user's sessions that ended long ago.
///
/// # Errors
/// [`Error::NotFound`] when there is no such active user.
pub async fn open(tx: &mut TenantTx, keys: &TokenKeys, sign_in: &SignIn) -> Result<SignedIn> {
    let now = tx.now();
    let user = store::lock_user_shared(tx, sign_in.user).await?.ok_or(Error::NotFound("User"))?;
    tx.act_as(Actor::User(sign_in.user));
    let session = insert(tx, sign_in, now + IDLE, now + ABSOLUTE).await?;
    issue(tx, keys, &session, user).await
}

/// Opens a session without refresh tokens, which ends by itself: for `api admin token`. Answers the access token.
///
/// # Errors
/// As for [`open`].
pub async fn open_for(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    sign_in: &SignIn,
    ttl: TimeDelta,
) -> Result<String> {
    let now = tx.now();
    let user = store::lock_user_shared(tx, sign_in.user).await?.ok_or(Error::NotFound("User"))?;
    let session = insert(tx, sign_in, now + ttl, now + ttl).await?;
    keys.issue(&grant(tx.tenant(), &session, &user)?, now, ttl)
}

async fn insert(
    tx: &mut TenantTx,
    sign_in: &SignIn,
    expires_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
) -> Result<store::Live> {
    let now = tx.now();
    store::sweep(tx, sign_in.user, now - KEPT).await?;
    let session = store::Live {
        id: SessionId::fresh(now),
        user_id: sign_in.user,
        created_via: sign_in.via.as_str().to_owned(),
        generation: 1,
        expires_at,
        ends_at,
        revoked_at: None,
    };
    store::insert(tx, &session, sign_in).await?;
    created(tx, &session)?;
    Ok(session)
}

/// The tenant and session that a refresh token belongs to.
///
/// # Errors
/// [`Error::InvalidToken`].
pub async fn of_token(db: &Db, token: &str) -> Result<(TenantId, SessionId)> {
    super::store::find_refresh_token(db, &opaque::hash(token)).await?.ok_or(REFUSED)
}

/// Takes a refresh token for a fresh pair; see the module for one that was used before.
///
/// # Errors
/// The database's; a token that is not valid is [`Renewal::Refused`].
pub async fn renew(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    (id, token): (SessionId, &str),
    client: &Client,
) -> Result<Renewal> {
    let now = tx.now();
    // Whoever renews the same session waits here, and then sees what the one before did.
    let Some(mut session) = store::lock(tx, id).await? else { return Ok(Renewal::Refused) };
    let Some(token) = store::find_token(tx, id, &opaque::hash(token)).await? else {
        return Ok(Renewal::Refused);
    };
    let lost = match token.used_at {
        Some(used_at) => answer_was_lost(tx, id, &token, used_at).await?,
        None => false,
    };
    let unused = token.used_at.is_none() && token.voided_at.is_none();
    // Also of a session that has ended: whoever stole it may have signed it out, and what it approved lives on.
    if !unused && !lost {
        if end_line(tx, (session.user_id, id), "token_reuse").await? {
            tracing::warn!(session_id = %id, "a refresh token came twice: its session is revoked");
            metrics::counter!("refresh_tokens_reused_total").increment(1);
        }
        return Ok(Renewal::Refused);
    }
    if !session.lives(now) {
        return Ok(Renewal::Refused);
    }
    let Some(user) = store::find_user(tx, session.user_id).await? else {
        return Ok(Renewal::Refused);
    };
    if lost {
        void(tx, &mut session, token.number).await?;
    } else {
        store::mark_used(tx, id, token.number).await?;
    }
    session.expires_at = (now + IDLE).min(session.ends_at);
    store::touch(tx, &session, client).await?;
    Ok(Renewal::Renewed(Box::new(issue(tx, keys, &session, user).await?)))
}

/// Issues the first pair of a session again, when the answer that carried it was lost, and voids that one.
///
/// # Errors
/// The database's. `None` when the pair was used, or the session has ended.
pub async fn reissue(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    id: SessionId,
) -> Result<Option<SignedIn>> {
    let now = tx.now();
    let Some(mut session) = store::lock(tx, id).await?.filter(|session| session.lives(now)) else {
        return Ok(None);
    };
    let Some(user) = store::find_user(tx, session.user_id).await? else { return Ok(None) };
    if store::used_after(tx, id, 0).await? {
        return Ok(None);
    }
    void(tx, &mut session, 0).await?;
    store::set_generation(tx, &session).await?;
    issue(tx, keys, &session, user).await.map(Some)
}

/// A page of the user's sessions that live.
///
/// # Errors
/// The database's.
pub async fn list(
    tx: &mut TenantTx,
    (user, current): (UserId, Option<SessionId>),
    query: ListQuery,
) -> Result<Listed<Session>> {
    let living = query.only("expires_at", Operator::Above, tx.now());
    let mut page: Listed<Session> = living.fetch(tx, &store::source(user)).await?;
    for session in &mut page.items {
        session.current = Some(session.id) == current;
    }
    Ok(page)
}

/// Ends the session that asks; one that ended meanwhile is as good.
///
/// # Errors
/// The database's.
pub async fn log_out(tx: &mut TenantTx, (user, id): (UserId, SessionId)) -> Result<()> {
    if store::revoke_own(tx, user, id, "logout").await? {
        revoked(tx, user, id, "logout")?;
    }
    Ok(())
}

/// Ends one of the user's sessions, with those that it approved.
///
/// # Errors
/// [`Error::NotFound`] when the user has no such session, or it has ended.
pub async fn remove(tx: &mut TenantTx, user: UserId, id: SessionId) -> Result<()> {
    let now = tx.now();
    // Nobody approves with it from here on.
    let session = store::lock(tx, id).await?;
    session
        .filter(|session| session.user_id == user && session.lives(now))
        .ok_or_else(SessionId::not_found)?;
    end_line(tx, (user, id), "removed").await?;
    Ok(())
}

/// Ends all of the user's sessions.
///
/// # Errors
/// The database's.
pub async fn log_out_everywhere(tx: &mut TenantTx, user: UserId) -> Result<()> {
    end_all(tx, user, "logout_all").await
}

/// Ends the sessions of a user that is deactivated, for good: they do not come back when the user does.
///
/// # Errors
/// The database's.
pub(crate) async fn deactivate(tx: &mut TenantTx, user: UserId) -> Result<()> {
    end_all(tx, user, "deactivated").await
}

/// Ends a locked session that may be a stranger's, and all that it approved, directly or not; says whether any of them
/// was alive.
async fn end_line(
    tx: &mut TenantTx,
    (user, id): (UserId, SessionId),
    reason: &str,
) -> Result<bool> {
    let mut any = false;
    // Until nothing of it lives: one of them may have been approving another meanwhile.
    loop {
        let ended = store::revoke_line(tx, (user, id), reason).await?;
        if ended.is_empty() {
            return Ok(any);
        }
        any = true;
        for id in ended {
            revoked(tx, user, id, reason)?;
        }
    }
}

async fn end_all(tx: &mut TenantTx, user: UserId, reason: &str) -> Result<()> {
    // Whoever is signing in is done before, and seen.
    store::lock_user(tx, user).await?;
    for id in store::revoke_all(tx, user, reason).await? {
        revoked(tx, user, id, reason)?;
    }
    Ok(())
}

fn created(tx: &mut TenantTx, session: &store::Live) -> Result<()> {
    let after = json!({"userId": session.user_id, "createdVia": session.created_via});
    Ok(changes::logged(tx, ("session", session.id.0), "created", &after)?)
}

fn revoked(tx: &mut TenantTx, user: UserId, id: SessionId, reason: &str) -> Result<()> {
    let after = json!({"userId": user, "revokedReason": reason});
    Ok(changes::logged(tx, ("session", id.0), "revoked", &after)?)
}

async fn answer_was_lost(
    tx: &mut TenantTx,
    id: SessionId,
    token: &store::Token,
    used_at: DateTime<Utc>,
) -> Result<bool> {
    let recent = tx.now() <= used_at + GRACE && token.voided_at.is_none();
    Ok(recent && !store::used_after(tx, id, token.number).await?)
}

/// Voids what was issued after this token.
async fn void(tx: &mut TenantTx, session: &mut store::Live, after: i32) -> Result<()> {
    store::void_after(tx, session.id, after).await?;
    session.generation = session.generation.saturating_add(1);
    Ok(())
}

async fn issue(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    session: &store::Live,
    user: store::User,
) -> Result<SignedIn> {
    let now = tx.now();
    let refresh = OpaqueToken::generate(REFRESH);
    store::insert_token(tx, session.id, &refresh.hash(), now - IDLE).await?;
    let ttl = ACCESS.min(session.expires_at - now);
    let access_token = keys.issue(&grant(tx.tenant(), session, &user)?, now, ttl)?;
    Ok(SignedIn {
        access_token,
        token_type: "Bearer",
        expires_in: ttl.num_seconds(),
        refresh_token: refresh.text().to_owned(),
        refresh_expires_in: (session.expires_at - now).num_seconds(),
        session: SessionRef { id: session.id, created_via: session.created_via.clone() },
        user: UserRef { id: session.user_id, name: user.name, role: user.role },
        tenant: TenantRef { id: tx.tenant(), name: user.tenant_name },
    })
}

fn grant(tenant: TenantId, session: &store::Live, user: &store::User) -> Result<Grant> {
    Ok(Grant {
        tenant,
        user: session.user_id,
        role: user.role.parse().map_err(|_| Error::Internal("a role that is not known".into()))?,
        session: session.id,
        generation: session.generation,
    })
}
