//! Webhooks: where a tenant wants to hear of which events, and what became of each.

pub mod attempts;
pub mod debug;
pub mod deliveries;
pub mod health;
pub(crate) mod holds;
mod http;
mod input;
pub mod replays;
pub mod request_options;
pub mod signing;
mod store;
pub mod subscription;
pub mod test_events;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::TenantTx;
use shared::clock;
use shared::id::{TenantId, WebhookId};
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::delivery::Trigger;
use shared::webhook::health::State;
use shared::webhook::identity::CertificateSummary;
use shared::webhook::keys::{Key, SigningKeys};
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, Type};
use uuid::Uuid;

use crate::changes::{self, Tracked};
use crate::error::{Error, Result};
use crate::http::expand::{Records, records};
use crate::http::{IfMatch, Listed, Representation, Resource, doc};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;
pub use input::{NewWebhook, WebhookPatch};
use request_options::RequestPatch;
use signing::Sealed;
use subscription::{Filter, ORDERINGS, SubscriptionPatch, Written};

/// Webhooks of a tenant, at most: each is looked at for each of its events, in the one statement that relays
/// everybody's.
const MOST: i64 = 1_000;

/// Where a tenant wants to hear of events.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"url": "https://example.com/webhook", "events": ["contact.created"], "active": true,
    "secret": "whsec_…f3a9", "headers": {"authorization": "…cdef"}, "autoRedrive": false, "ordering": "none",
    "health": "healthy", "failureStreak": 0}))]
pub struct Webhook {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: WebhookId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// Where deliveries are sent.
    pub url: String,
    /// Events, families such as `contact.*`, or `*`.
    pub events: Vec<String>,
    /// Whether deliveries are sent; while not, new events are skipped and pending deliveries are held.
    pub active: bool,
    /// The tenant's own note.
    pub description: Option<String>,
    /// The signing secret: in full when created, otherwise only its last four characters.
    #[sqlx(rename = "secret_hint")]
    pub secret: String,
    /// Headers of the tenant's own that every attempt sends, by name; of the values at most the last four characters.
    #[sqlx(rename = "headers_shown")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub headers: Json<BTreeMap<String, String>>,
    /// The certificate that receivers are shown when they ask for one.
    #[sqlx(rename = "identity_shown")]
    #[schema(value_type = Option<CertificateSummary>)]
    pub client_certificate: Option<Json<CertificateSummary>>,
    /// Attempts begun in a second, at most; `null` for as many as the receiver takes.
    pub rate_limit: Option<i32>,
    /// Whether what has failed is sent again when the receiver has recovered.
    pub auto_redrive: bool,
    /// Which events it hears of, of those that `events` names; `null` for all of them.
    #[schema(value_type = Option<Filter>)]
    pub filter: Option<Json<Written>>,
    /// The members of `data` that are sent; `null` for all of them.
    pub fields: Option<Vec<String>>,
    /// `record`: deliveries of one record go one after the other, in the order of its changes; `none`: as they come.
    #[schema(schema_with = ordering_schema)]
    pub ordering: String,
    /// Why it was switched off, when it was not the tenant who did it.
    #[schema(schema_with = disabled_reason_schema)]
    pub disabled_reason: Option<String>,
    /// How it is doing: `failing` when its receiver is away (see the guide), `disabled` when it was not the tenant who
    /// switched it off.
    pub health: State,
    /// Attempts that failed since the last one that was accepted.
    pub failure_streak: i32,
    /// When an attempt was last accepted.
    #[serde(serialize_with = "clock::serialize_option")]
    pub last_success_at: Option<DateTime<Utc>>,
    /// When an attempt last ended that did not fail by a fault of ours.
    #[serde(serialize_with = "clock::serialize_option")]
    pub last_delivery_at: Option<DateTime<Utc>>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

fn disabled_reason_schema() -> Object {
    let what = "Why it was switched off, when it was not the tenant who did it; `gone`: the receiver answered 410.";
    words_or_null(what, &["gone", "failing"])
}

/// As [`doc::words`], of a field that may be `null`.
fn words_or_null(what: &str, words: &[&'static str]) -> Object {
    let mut schema = doc::words(what, words);
    schema.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    schema.enum_values.get_or_insert_default().push(Value::Null);
    schema
}

fn ordering_schema() -> Object {
    doc::words(
        "`record`: deliveries of one record go one after the other, in the order of its changes; `none`: as they come.",
        ORDERINGS,
    )
}

impl Representation for Webhook {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Tracked for Webhook {
    const TYPE: &'static str = "webhook";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for WebhookId {
    const NAME: &'static str = "Webhook";
}

/// What lists of webhooks can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "health", sql: "health", kind: Kind::OneOf(State::NAMES) },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// One page of the tenant's webhooks.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Webhook>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// Stores a webhook. The answer is the only one that shows its secret.
///
/// # Errors
/// [`Error::Conflict`] when the tenant has a thousand.
pub async fn create(tx: &mut TenantTx, new: NewWebhook, keys: &Keyring) -> Result<Webhook> {
    store::lock_all(tx).await?;
    if store::count(tx).await? >= MOST {
        return Err(Error::Conflict(
            format!("There are {MOST} webhooks; delete one that is not needed first").into(),
        ));
    }
    let now = tx.now();
    let id = WebhookId::fresh(now);
    let mut webhook = Webhook {
        id,
        tenant_id: tx.tenant(),
        url: new.url,
        events: new.events,
        active: new.active,
        description: new.description,
        secret: new.secret.hint(),
        headers: Json::default(),
        client_certificate: None,
        rate_limit: None,
        auto_redrive: new.auto_redrive,
        filter: None,
        fields: None,
        ordering: ORDERINGS[0].to_owned(),
        disabled_reason: None,
        health: State::Healthy,
        failure_streak: 0,
        last_success_at: None,
        last_delivery_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let key = Key::new(new.secret).map_err(|error| Error::Internal(error.into()))?;
    let signing = SigningKeys::first(key);
    let sealed = Sealed::new(&signing, keys, Owner(tx.tenant(), id), now)?;
    let calling = RequestPatch {
        headers: new.headers,
        client_certificate: new.client_certificate,
        rate_limit: new.rate_limit,
    };
    let sealable = calling.apply(&mut webhook)?;
    let selecting =
        SubscriptionPatch { filter: new.filter, fields: new.fields, ordering: new.ordering };
    let selected = selecting.apply(&mut webhook)?;
    filters_fit(tx, &webhook).await?;
    store::insert(tx, &webhook, &sealed).await?;
    sealable.write(tx, &webhook, keys).await?;
    store::update_subscription(tx, &webhook, selected).await?;
    changes::created(tx, &webhook)?;
    signing.current.secret.expose().clone_into(&mut webhook.secret);
    Ok(webhook)
}

/// Bytes of all filters of a tenant together: each event is compared with all of them in the one statement that relays
/// everybody's.
const FILTERS: usize = 200_000;

async fn filters_fit(tx: &mut TenantTx, webhook: &Webhook) -> Result<()> {
    let Some(filter) = &webhook.filter else { return Ok(()) };
    let others = usize::try_from(store::filters_beside(tx, webhook.id).await?).unwrap_or(FILTERS);
    if others + filter.0.text().len() > FILTERS {
        let fault = format!("All filters of the tenant must have at most {FILTERS} bytes together");
        return Err(Error::field("filter", fault));
    }
    Ok(())
}

/// The webhook.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: WebhookId) -> Result<Webhook> {
    store::find(tx, id).await?.ok_or_else(WebhookId::not_found)
}

/// The webhooks that other records refer to.
async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    records(&store::find_all(tx, ids).await?, |webhook| webhook.id.0)
}

/// Merges a change into a webhook. Switched on again, it forgets why it was switched off, and held deliveries go out.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], or [`Error::Invalid`].
pub async fn update(
    tx: &mut TenantTx,
    id: WebhookId,
    seen: &IfMatch,
    patch: WebhookPatch,
    keys: &Keyring,
) -> Result<Webhook> {
    let before = store::lock(tx, id).await?.ok_or_else(WebhookId::not_found)?;
    seen.check(before.version)?;
    if let Some(shown) = &patch.secret {
        signing::stays(tx, &before, shown, keys).await?;
    }
    let mut webhook = before.clone();
    if let Some(url) = patch.url {
        webhook.url = url;
    }
    if let Some(events) = patch.events {
        webhook.events = events;
    }
    if let Some(active) = patch.active {
        webhook.active = active;
        webhook.disabled_reason = webhook.disabled_reason.filter(|_| !active);
    }
    if let Some(auto_redrive) = patch.auto_redrive {
        webhook.auto_redrive = auto_redrive;
    }
    if webhook.active && !before.active {
        health::begin_anew(tx, &mut webhook).await?;
    }
    patch.description.apply(&mut webhook.description);
    let calling = RequestPatch {
        headers: patch.headers,
        client_certificate: patch.client_certificate,
        rate_limit: patch.rate_limit,
    };
    let sealable = calling.apply(&mut webhook)?;
    sealable.stays_private(&before, &webhook)?;
    let selecting =
        SubscriptionPatch { filter: patch.filter, fields: patch.fields, ordering: patch.ordering };
    let selected = selecting.apply(&mut webhook)?;
    let bytes =
        |webhook: &Webhook| webhook.filter.as_ref().map_or(0, |filter| filter.0.text().len());
    if bytes(&webhook) > bytes(&before) {
        store::lock_all(tx).await?;
        filters_fit(tx, &webhook).await?;
    }
    if webhook == before && !sealable.is_new() {
        return Ok(before);
    }
    changes::touch(&mut webhook.version, &mut webhook.updated_at, tx.now());
    store::update(tx, &webhook).await?;
    if before.auto_redrive && !webhook.auto_redrive {
        // A redrive that is over is the only one that leaves room for the next.
        store::end_paused(tx, id, &[Trigger::Redrive]).await?;
    }
    sealable.write(tx, &webhook, keys).await?;
    store::update_subscription(tx, &webhook, selected).await?;
    changes::updated(tx, &before, &webhook)?;
    tx.wake();
    Ok(webhook)
}

/// Removes a webhook; its pending deliveries fail with `webhook_deleted`, its history stays.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn remove(tx: &mut TenantTx, id: WebhookId, seen: &IfMatch) -> Result<()> {
    let webhook = store::lock(tx, id).await?.ok_or_else(WebhookId::not_found)?;
    seen.check(webhook.version)?;
    store::delete(tx, id).await?;
    Ok(changes::deleted(tx, &webhook)?)
}
