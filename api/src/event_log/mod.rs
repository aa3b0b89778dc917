//! The change feed: every event of the tenant in the order of its number, whether or not a webhook heard of it. The
//! worker's relay writes it (worker/src/relay.sql); here it is read, page by page or live.

pub mod explain;
mod follow;
mod followers;
mod http;
mod input;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::id::EventId;
use shared::scope::Scope;
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::http::{Representation, Resource};
pub use followers::Followers;
pub use http::routes;
pub use input::FeedQuery;
pub(crate) use input::{names, patterns};

/// What reading the log needs: who may see what webhooks are sent may see it here.
const SCOPE: Scope = Scope::WebhooksRead;

/// Numbers that one page looks through at most, so that a filter that hardly anything passes costs no more than others.
const WINDOW: i64 = 10_000;

/// The same of a webhook's feed, whose filter may have to read each of them.
const WEBHOOK_WINDOW: i64 = 1_000;

/// Bytes of `data` after which a page ends: what one answer may hold of memory is not the tenant's to choose.
const PAGE_BYTES: usize = 1024 * 1024;

/// One event: a change of a record, as webhooks hear of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": "01a2036d-dd90-7db3-b0cb-82fad60cc68f", "sequence": 42, "event": "contact.created",
    "timestamp": "2026-01-02T03:04:05.678Z", "data": {"name": "John Doe", "version": 1}}))]
pub struct Event {
    /// Its id: `occurrenceId` of webhooks' deliveries, and the id of the audit log's and the timeline's entries.
    #[schema(value_type = Uuid)]
    pub id: EventId,
    /// Its number: 1, 2, 3 … of the tenant, without a gap.
    pub sequence: i64,
    /// Its name.
    pub event: String,
    /// When the change was made.
    #[serde(serialize_with = "clock::serialize")]
    pub timestamp: DateTime<Utc>,
    /// The record after the change, as webhooks get it.
    #[schema(value_type = Object)]
    pub data: Json<Box<RawValue>>,
    /// The request that made the change.
    #[schema(required)]
    pub request_id: Option<String>,
}

impl Representation for Event {}

impl Resource for EventId {
    const NAME: &'static str = "Event";
}

/// Some events, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"events": [], "next": 42, "hasMore": false}))]
pub struct Feed {
    /// Those behind `after` that were asked for.
    pub events: Vec<Event>,
    /// The `after` to go on with.
    pub next: i64,
    /// Whether there is more already.
    pub has_more: bool,
}

impl Representation for Feed {}

/// How far a tenant's log goes.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// The number of the newest event.
    last: i64,
    /// No event up to this number is shown any more.
    forgotten: i64,
}

/// The events behind `query.after`, or from the oldest that is kept. Nothing is told that a crash of the database
/// could undo: the relay's commits do not wait for the disk, so this transaction's commit does.
///
/// # Errors
/// [`Error::EventsExpired`] when events behind `after` are kept no longer; [`Error::Invalid`] when `after` is beyond
/// the newest event; as for [`FeedQuery::settle`].
pub async fn page(tx: &mut TenantTx, query: &mut FeedQuery) -> Result<Feed> {
    query.settle(tx).await?;
    let head = store::head(tx).await?;
    let after = query.after.unwrap_or(head.forgotten);
    if after > head.last {
        let fault = format!("Is beyond the newest event, which has the number {}", head.last);
        return Err(Error::field("after", fault));
    }
    let window = if query.webhook.is_some() { WEBHOOK_WINDOW } else { WINDOW };
    let upto = head.last.min(after.saturating_add(window));
    if upto == after {
        return Ok(Feed { events: Vec::new(), next: after, has_more: false });
    }
    let (events, all) = store::between(tx, (after, upto), query, PAGE_BYTES).await?;
    let next = match events.last() {
        Some(last) if !all => last.sequence,
        _ => upto,
    };
    // Asked again behind the events: none of those that are missing here was removed meanwhile.
    let head = store::flushed_head(tx).await?;
    if after < head.forgotten {
        if query.after.is_none() {
            let (next, has_more) = (head.forgotten, head.forgotten < head.last);
            return Ok(Feed { events: Vec::new(), next, has_more });
        }
        return Err(Error::EventsExpired { oldest: head.forgotten + 1 });
    }
    Ok(Feed { events, next, has_more: next < head.last })
}

/// The event.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: EventId) -> Result<Event> {
    let event = store::find(tx, id).await?.ok_or_else(EventId::not_found)?;
    let head = store::flushed_head(tx).await?;
    if event.sequence <= head.forgotten { Err(EventId::not_found()) } else { Ok(event) }
}

/// The number of the newest event.
///
/// # Errors
/// The database's.
async fn newest(tx: &mut TenantTx) -> Result<i64> {
    Ok(store::flushed_head(tx).await?.last)
}
