//! What answers say of a sign-in by QR code.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::clock;
use shared::id::QrSessionId;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::Status;
use crate::http::{Representation, doc};

/// A QR session as its desktop sees it when it is made. It has no `Debug`: secrets must not reach a log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "pending", "qrPayload": "https://liaison.example/qr#qr_…", "qrSvg": "<svg>…</svg>",
    "pollSecret": "qps_…", "matchCode": "47", "pollIntervalMs": 2000,
    "links": {"status": "/api/v1/auth/qr-session/…", "events": "/api/v1/auth/qr-session/…/events",
        "token": "/api/v1/auth/qr-session/…/token"}}))]
pub struct QrSession {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: QrSessionId,
    /// `pending`.
    pub status: &'static str,
    /// What the QR code says: a URL with the token in its fragment.
    pub qr_payload: String,
    /// The QR code as an image.
    pub qr_svg: String,
    /// Opens the status, the events and the tokens; `null` when it is in the cookie.
    pub poll_secret: Option<String>,
    /// Two digits to show beside the QR code.
    pub match_code: String,
    /// When the QR code is worth nothing any more.
    #[serde(serialize_with = "clock::serialize")]
    pub expires_at: DateTime<Utc>,
    /// How often to ask for the status.
    pub poll_interval_ms: u32,
    /// Where to go on.
    pub links: Links,
}

/// Paths of a QR session.
#[derive(Serialize, ToSchema)]
pub struct Links {
    /// `GET`: the status.
    pub status: String,
    /// `GET`: the status as server-sent events.
    pub events: String,
    /// `POST`: the tokens.
    pub token: String,
}

/// Where a QR session stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "scanned", "pollIntervalMs": 2000}))]
pub struct QrStatus {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: QrSessionId,
    /// Where it stands.
    #[schema(schema_with = status_schema)]
    pub status: &'static str,
    /// When the status becomes `expired`, unless it is final.
    #[serde(serialize_with = "clock::serialize")]
    pub expires_at: DateTime<Utc>,
    /// How often to ask.
    pub poll_interval_ms: u32,
}

fn status_schema() -> Object {
    doc::words("Where it stands.", Status::NAMES)
}

/// What a phone shows its user, who then decides.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "scanned", "linkToken": "ql_…", "sameNetwork": true,
    "requester": {"deviceName": "Chrome on macOS", "ipAddress": "192.0.2.7", "userAgent": null,
        "requestedAt": "2026-01-02T03:04:05.678Z"}}))]
pub struct Scanned {
    /// The QR session.
    #[schema(value_type = Uuid)]
    pub id: QrSessionId,
    /// `scanned`.
    pub status: &'static str,
    /// For the decision.
    pub link_token: String,
    /// Who asks to be signed in.
    pub requester: Requester,
    /// Whether phone and desktop come from the same network: the same IPv4 address, or the same IPv6 /64.
    pub same_network: bool,
    /// Until when to decide.
    #[serde(serialize_with = "clock::serialize")]
    pub expires_at: DateTime<Utc>,
}

/// The desktop that asks to be signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
    /// What it calls itself.
    pub device_name: Option<String>,
    /// Its network address.
    pub ip_address: String,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// When it asked.
    #[serde(serialize_with = "clock::serialize")]
    pub requested_at: DateTime<Utc>,
}

/// What became of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "linked"}))]
pub struct Decided {
    /// The QR session.
    #[schema(value_type = Uuid)]
    pub id: QrSessionId,
    /// What was decided.
    #[schema(schema_with = decided_schema)]
    pub status: &'static str,
}

fn decided_schema() -> Object {
    doc::words("What was decided.", &[Status::Linked, Status::Denied].map(Status::as_str))
}

impl Representation for QrSession {}
impl Representation for QrStatus {}
impl Representation for Scanned {}
impl Representation for Decided {}
