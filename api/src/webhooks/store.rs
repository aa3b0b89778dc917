//! The SQL of webhooks. `secret_enc` is written here and read by one function of the database only
//! ([`super::signing`]): the api's role has no right to the column.

use std::collections::BTreeMap;

use shared::TenantTx;
use shared::id::{TenantId, WebhookId};
use shared::patch::Change;
use shared::webhook::delivery::Trigger;
use shared::webhook::health::State;
use shared::webhook::identity::CertificateSummary;
use sqlx::types::Json;
use uuid::Uuid;

use super::Webhook;
use super::signing::Sealed;
use super::subscription::Written;
use crate::list::Source;

/// What lists of webhooks select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, w.tenant_id, url, events, active, description, secret_hint, headers_shown, \
        identity_shown, rate_limit, auto_redrive, filter, fields, ordering, disabled_reason, \
        health, coalesce(streak, 0) as failure_streak, last_success_at, \
        greatest(last_success_at, last_failure_at) as last_delivery_at, \
        version, created_at, updated_at",
    table: "webhooks w left join webhook_health h (tenant) on h.tenant = w.tenant_id and h.webhook_id = w.id",
    condition: "deleted_at is null",
    inside: None,
};

/// Keeps everybody else from adding to what all webhooks of the tenant have together, until the transaction ends.
pub(super) async fn lock_all(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1::uuid, 0))",
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How many webhooks the tenant has.
pub(super) async fn count(tx: &mut TenantTx) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from webhooks where deleted_at is null"#)
        .fetch_one(tx.conn())
        .await
}

/// Bytes of the filters of all other webhooks.
pub(super) async fn filters_beside(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(octet_length(filter::text)), 0)::bigint as "bytes!"
           from webhooks where deleted_at is null and id <> $1"#,
        id.0,
    )
    .fetch_one(tx.conn())
    .await
}

pub(super) async fn insert(
    tx: &mut TenantTx,
    webhook: &Webhook,
    keys: &Sealed,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into webhooks (tenant_id, id, url, events, active, description, secret_enc, secret_hint, public_keys,
                               auto_redrive, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        webhook.tenant_id.0,
        webhook.id.0,
        webhook.url,
        &webhook.events,
        webhook.active,
        webhook.description,
        keys.sealed,
        webhook.secret,
        keys.published,
        webhook.auto_redrive,
        webhook.created_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn find(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<Option<Webhook>> {
    Ok(find_all(tx, &[id.0]).await?.pop())
}

pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Webhook>> {
    sqlx::query_as!(
        Webhook,
        r#"select id as "id: WebhookId", w.tenant_id as "tenant_id: TenantId", url, events, active, description,
                  secret_hint as secret, headers_shown as "headers: Json<BTreeMap<String, String>>",
                  identity_shown as "client_certificate: Json<CertificateSummary>", rate_limit, auto_redrive,
                  filter as "filter: Json<Written>", fields, ordering, disabled_reason,
                  health as "health!: State",
                  coalesce(h.streak, 0) as "failure_streak!", h.last_success_at as "last_success_at?",
                  greatest(h.last_success_at, h.last_failure_at) as last_delivery_at,
                  version, created_at, updated_at
           from webhooks w left join webhook_health h on h.tenant_id = w.tenant_id and h.webhook_id = w.id
           where id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

/// Finds a webhook and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<Option<Webhook>> {
    sqlx::query!("select id from webhooks where id = $1 for no key update", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx, id).await
}

pub(super) async fn update(tx: &mut TenantTx, webhook: &Webhook) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhooks set held_until = case when url = $2 then held_until end, url = $2, events = $3, active = $4, description = $5, disabled_reason = $6, updated_at = $7,
                             version = $8, auto_redrive = $9
         where id = $1",
        webhook.id.0,
        webhook.url,
        &webhook.events,
        webhook.active,
        webhook.description,
        webhook.disabled_reason,
        webhook.updated_at,
        webhook.version,
        webhook.auto_redrive,
    )
    .execute(tx.conn())
    .await?;
    // What nobody has judged yet was said of the webhook as it was.
    sqlx::query!(
        "update webhook_health set gone = false where webhook_id = $1 and gone",
        webhook.id.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes how the receiver wants to be called; of the sealed parts, those that change.
pub(super) async fn update_request_options(
    tx: &mut TenantTx,
    webhook: &Webhook,
    headers: Change<Vec<u8>>,
    identity: Change<Vec<u8>>,
) -> sqlx::Result<()> {
    let id = webhook.id.0;
    sqlx::query!(
        "update webhooks set rate_limit = $2, headers_shown = $3, identity_shown = $4 where id = $1",
        id,
        webhook.rate_limit,
        &webhook.headers as &Json<BTreeMap<String, String>>,
        webhook.client_certificate.as_ref() as Option<&Json<CertificateSummary>>,
    )
    .execute(tx.conn())
    .await?;
    if !headers.is_keep() {
        let sealed = headers.into_value();
        sqlx::query!("update webhooks set headers_enc = $2 where id = $1", id, sealed)
            .execute(tx.conn())
            .await?;
    }
    if !identity.is_keep() {
        let sealed = identity.into_value();
        sqlx::query!("update webhooks set identity_enc = $2 where id = $1", id, sealed)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// Writes what it gets of events; the filter, if that changes, in both forms.
pub(super) async fn update_subscription(
    tx: &mut TenantTx,
    webhook: &Webhook,
    path: Change<String>,
) -> sqlx::Result<()> {
    let id = webhook.id.0;
    sqlx::query!(
        "update webhooks set fields = $2, ordering = $3 where id = $1",
        id,
        webhook.fields.as_deref(),
        webhook.ordering,
    )
    .execute(tx.conn())
    .await?;
    if !path.is_keep() {
        sqlx::query!(
            "update webhooks set filter = $2::text::json, filter_path = $3::text::jsonpath where id = $1",
            id,
            webhook.filter.as_ref().map(|filter| filter.text()),
            path.into_value(),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Has the worker look at what is paused: it ends what nobody wants any more.
pub(super) async fn end_paused(
    tx: &mut TenantTx,
    id: WebhookId,
    triggers: &[Trigger],
) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update webhook_replays set due_at = $2 where webhook_id = $1 and state = 'paused' and trigger = any ($3::text[])",
        id.0,
        now,
        &triggers.iter().map(|trigger| trigger.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The worker fails what is still pending for it, and ends its replays: those that were paused as well.
pub(super) async fn delete(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<()> {
    let now = tx.now();
    end_paused(tx, id, &[Trigger::Redrive, Trigger::Replay]).await?;
    sqlx::query!(
        "update webhooks set deleted_at = $2, active = false, version = version + 1 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
