//! What answers say of sessions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::clock;
use shared::id::{SessionId, TenantId, UserId};
use shared::scope::Role;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::Via;
use crate::http::{Representation, doc};

/// A pair of tokens and whom they are for. It has no `Debug`: tokens must not reach a log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"accessToken": "eyJ…", "tokenType": "Bearer", "expiresIn": 900, "refreshToken": "crt_…",
    "refreshExpiresIn": 604_800,
    "session": {"id": "01a2036c-0d4c-7400-87c8-25f570a5ef23", "createdVia": "demo"},
    "user": {"id": "01a2036c-0d4c-7400-87c8-25f570a5ef22", "name": "Ada Lovelace", "role": "admin"},
    "tenant": {"id": "01a2036b-3a53-7b66-93a5-a64f6d8bbd70", "name": "acme"}}))]
pub struct SignedIn {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// For one call of `POST /api/v1/auth/refresh`.
    pub refresh_token: String,
    /// Seconds that the session lives without one.
    pub refresh_expires_in: i64,
    /// The session.
    pub session: SessionRef,
    /// The user.
    pub user: UserRef,
    /// The user's tenant.
    pub tenant: TenantRef,
}

fn via_schema() -> Object {
    let words = [Via::Qr, Via::Demo, Via::Admin].map(Via::as_str);
    doc::words("How it came to be: by QR code, demo login or `api admin token`.", &words)
}

fn role_schema() -> Object {
    doc::words("What the user may do.", Role::NAMES)
}

/// A session by its id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRef {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// How it came to be.
    #[schema(schema_with = via_schema)]
    pub created_via: String,
}

/// A user by name.
#[derive(Serialize, ToSchema)]
pub struct UserRef {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// What the user may do.
    #[schema(schema_with = role_schema)]
    pub role: String,
}

/// A tenant by name.
#[derive(Serialize, ToSchema)]
pub struct TenantRef {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: TenantId,
    /// Its name.
    pub name: String,
}

/// One of the user's sessions.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"current": true, "createdVia": "qr", "deviceName": "Chrome on macOS", "ipAddress": "192.0.2.7"}))]
pub struct Session {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Whether it is the one that asks.
    #[sqlx(default)]
    pub current: bool,
    /// How it came to be.
    #[schema(schema_with = via_schema)]
    pub created_via: String,
    /// The session that approved it on a phone; null for one that was not signed in by QR code.
    #[schema(value_type = Option<Uuid>)]
    pub approved_by: Option<SessionId>,
    /// What the device called itself when it signed in.
    pub device_name: Option<String>,
    /// Its `User-Agent` when tokens were last issued.
    pub user_agent: Option<String>,
    /// Its network address when tokens were last issued.
    pub ip_address: Option<String>,
    /// When it signed in.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When tokens were last issued.
    #[serde(serialize_with = "clock::serialize")]
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless it is refreshed.
    #[serde(serialize_with = "clock::serialize")]
    pub expires_at: DateTime<Utc>,
}

impl Representation for SignedIn {}
impl Representation for Session {}
