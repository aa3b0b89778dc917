//! Replays: deliveries of one webhook that are sent again, by time, status and event. What is asked for is kept here;
//! the worker begins the new cycles (`worker/src/replays`), at the replay's own rate.

mod http;
mod input;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::{ReplayId, TenantId, WebhookId};
use shared::webhook::delivery::{ReplayState, Trigger};
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use utoipa::openapi::Object;
use uuid::Uuid;

use super::words_or_null;
use crate::changes::{self, Tracked};
use crate::error::{Error, Result};
use crate::http::{Listed, Representation, Resource, doc};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;
pub use input::NewReplay;

/// Deliveries of one webhook that are sent again, and how far that is.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"trigger": "replay", "state": "running", "heldReason": null, "statuses": ["failed", "skipped"],
    "events": ["contact.*"], "rate": 100, "total": 5000, "replayed": 1200, "passedOver": 3, "delivered": 1150,
    "failed": 0, "pending": 50, "secondsLeft": 38}))]
pub struct Replay {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ReplayId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// The webhook whose deliveries are sent again.
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// Why it was begun.
    #[schema(schema_with = trigger_schema)]
    pub trigger: Trigger,
    /// How far it is.
    #[schema(schema_with = state_schema)]
    pub state: ReplayState,
    /// Why it waits although it is running.
    #[schema(schema_with = held_reason_schema)]
    pub held_reason: Option<String>,
    /// Of deliveries whose changes were made from here …
    #[serde(serialize_with = "clock::serialize")]
    pub since: DateTime<Utc>,
    /// … to here, both included.
    #[serde(serialize_with = "clock::serialize")]
    pub until: DateTime<Utc>,
    /// Of deliveries that are `failed`, `skipped` or `delivered`.
    pub statuses: Vec<String>,
    /// Of these events and families; `null` for all.
    pub events: Option<Vec<String>>,
    /// Deliveries that it begins to send in a second, at most.
    pub rate: i32,
    /// Deliveries that were selected when it was asked for.
    pub total: i64,
    /// Deliveries that have begun a new cycle.
    pub replayed: i64,
    /// Deliveries that were pending when their turn came: they are sent anyway.
    pub passed_over: i64,
    /// Of those replayed: accepted.
    pub delivered: i64,
    /// Of those replayed: not accepted in any attempt of their new cycle.
    pub failed: i64,
    /// Of those replayed: still on their way.
    pub pending: i64,
    /// When the change was made whose delivery was looked at last.
    #[serde(serialize_with = "clock::serialize_option")]
    pub reached: Option<DateTime<Utc>>,
    /// How long the rest will take at the present pace, in seconds; `null` unless it is going on.
    pub seconds_left: Option<i64>,
    /// When it was asked for.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
    /// When its first delivery began a new cycle.
    #[serde(serialize_with = "clock::serialize_option")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    #[serde(serialize_with = "clock::serialize_option")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// Why a replay can be begun.
const TRIGGERS: &[&str] = &[Trigger::Replay.as_str(), Trigger::Redrive.as_str()];

fn trigger_schema() -> Object {
    doc::words("`replay`: somebody asked for it; `redrive`: the webhook had recovered.", TRIGGERS)
}

fn state_schema() -> Object {
    doc::words("How far it is; `completed`: every cycle has begun.", ReplayState::NAMES)
}

fn held_reason_schema() -> Object {
    let what = "Why it waits although it is running; `webhook_failing`: only a redrive does.";
    words_or_null(what, &["webhook_inactive", "webhook_disabled", "webhook_failing"])
}

impl Representation for Replay {}

impl Tracked for Replay {
    const TYPE: &'static str = "webhook_replay";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for ReplayId {
    const NAME: &'static str = "Replay";
}

/// What lists of replays can be asked.
static LIST: List = List {
    columns: &[
        Column { name: "state", sql: "state", kind: Kind::OneOf(ReplayState::NAMES) },
        Column { name: "trigger", sql: "trigger", kind: Kind::OneOf(TRIGGERS) },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

async fn list(tx: &mut TenantTx, webhook: WebhookId, query: &ListQuery) -> Result<Listed<Replay>> {
    super::show(tx, webhook).await?;
    Ok(query.fetch(tx, &store::source(webhook)).await?)
}

async fn show(tx: &mut TenantTx, webhook: WebhookId, id: ReplayId) -> Result<Replay> {
    super::show(tx, webhook).await?;
    store::find(tx, webhook, id).await?.ok_or_else(ReplayId::not_found)
}

/// Keeps what is to be sent again, for a worker to begin at once. One of a webhook at a time: two would send the same
/// deliveries twice.
async fn create(tx: &mut TenantTx, webhook: WebhookId, new: NewReplay) -> Result<Replay> {
    super::show(tx, webhook).await?;
    let days = store::retention_days(tx).await?;
    let selection = new.within(tx.now(), days)?;
    none_open(tx, webhook).await?;
    // Before the lock, which the worker's claims would wait for.
    let total = store::count(tx, webhook, &selection).await?;
    super::store::lock(tx, webhook).await?.ok_or_else(WebhookId::not_found)?;
    none_open(tx, webhook).await?;
    let id = ReplayId::fresh(tx.now());
    store::insert(tx, (webhook, id), &selection, total).await?;
    let replay = store::find(tx, webhook, id).await?.ok_or_else(ReplayId::not_found)?;
    changes::created(tx, &replay)?;
    tx.wake();
    Ok(replay)
}

async fn none_open(tx: &mut TenantTx, webhook: WebhookId) -> Result<()> {
    let Some(open) = store::find_open(tx, webhook).await? else { return Ok(()) };
    let text = format!("The webhook's replay {open} is not over; wait for it, or cancel it");
    Err(Error::Conflict(text.into()))
}

/// What can be done to a replay that is not over.
#[derive(Clone, Copy)]
enum Turn {
    Pause,
    Resume,
    Cancel,
}

impl Turn {
    /// The state that it leads to, and its verb in the audit log.
    fn leads_to(self) -> (ReplayState, &'static str) {
        match self {
            Self::Pause => (ReplayState::Paused, "paused"),
            Self::Resume => (ReplayState::Running, "resumed"),
            Self::Cancel => (ReplayState::Cancelled, "cancelled"),
        }
    }
}

/// Pauses, resumes or cancels. Asking again changes nothing; what has begun its new cycle goes on.
async fn turn(tx: &mut TenantTx, webhook: WebhookId, id: ReplayId, turn: Turn) -> Result<Replay> {
    super::show(tx, webhook).await?;
    let state = store::lock(tx, webhook, id).await?.ok_or_else(ReplayId::not_found)?;
    let (to, verb) = turn.leads_to();
    let changes = state != to;
    if changes && state.is_over() {
        return Err(Error::Conflict(format!("The replay is over: it is {state}").into()));
    }
    if changes {
        store::turn(tx, id, to).await?;
    }
    let replay = store::find(tx, webhook, id).await?.ok_or_else(ReplayId::not_found)?;
    if changes {
        changes::noted(tx, &replay, verb);
        tx.wake();
    }
    Ok(replay)
}
