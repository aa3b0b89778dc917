//! The SQL of leads.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{CompanyId, ContactId, LeadId, PipelineId, StageId, TenantId, UserId};
use uuid::Uuid;

use super::Lead;
use super::amount::Amount;
use super::place::Place;
use crate::list::Source;

/// What lists of leads select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, title, status, value, currency, owner_id as owner, contact_id, company_id, pipeline_id,
        stage_id, converted_at, version, created_at, updated_at, deleted_at",
    table: "leads",
    condition: "deleted_at is null",
    inside: None,
};

pub(super) async fn insert(tx: &mut TenantTx, lead: &Lead) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into leads (tenant_id, id, title, status, value, currency, owner_id, contact_id, company_id,
                            pipeline_id, stage_id, converted_at, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        lead.tenant_id.0,
        lead.id.0,
        lead.title,
        lead.status,
        lead.value as Option<Amount>,
        lead.currency,
        lead.owner.map(|id| id.0),
        lead.contact_id.map(|id| id.0),
        lead.company_id.map(|id| id.0),
        lead.pipeline_id.map(|id| id.0),
        lead.stage_id.map(|id| id.0),
        lead.converted_at,
        lead.version,
        lead.created_at,
        lead.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those of the leads that are there, by their ids.
pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Lead>> {
    sqlx::query_as!(
        Lead,
        r#"select id as "id: LeadId", tenant_id as "tenant_id: TenantId", title, status, value as "value: Amount", currency,
                  owner_id as "owner: UserId", contact_id as "contact_id: ContactId",
                  company_id as "company_id: CompanyId", pipeline_id as "pipeline_id: PipelineId",
                  stage_id as "stage_id: StageId", converted_at, version, created_at, updated_at
           from leads where id = any ($1) and deleted_at is null order by id"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

pub(super) async fn find(tx: &mut TenantTx, id: LeadId) -> sqlx::Result<Option<Lead>> {
    shared::find!(
        tx,
        Lead,
        r#"select id as "id: LeadId", tenant_id as "tenant_id: TenantId", title, status, value as "value: Amount", currency,
                  owner_id as "owner: UserId", contact_id as "contact_id: ContactId",
                  company_id as "company_id: CompanyId", pipeline_id as "pipeline_id: PipelineId",
                  stage_id as "stage_id: StageId", converted_at, version, created_at, updated_at
           from leads where id = $2 and deleted_at is null"#,
        id.0,
    )
    .await
}

/// Finds a lead and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: LeadId) -> sqlx::Result<Option<Lead>> {
    let locked = sqlx::query!(
        "select 1 as one from leads where id = $1 and deleted_at is null for no key update",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    match locked {
        Some(_) => find(tx, id).await,
        None => Ok(None),
    }
}

pub(super) async fn update(tx: &mut TenantTx, lead: &Lead) -> sqlx::Result<()> {
    sqlx::query!(
        "update leads
         set title = $2, status = $3, value = $4, currency = $5, owner_id = $6, contact_id = $7, company_id = $8,
             pipeline_id = $9, stage_id = $10, converted_at = $11, version = $12, updated_at = $13
         where id = $1",
        lead.id.0,
        lead.title,
        lead.status,
        lead.value as Option<Amount>,
        lead.currency,
        lead.owner.map(|id| id.0),
        lead.contact_id.map(|id| id.0),
        lead.company_id.map(|id| id.0),
        lead.pipeline_id.map(|id| id.0),
        lead.stage_id.map(|id| id.0),
        lead.converted_at,
        lead.version,
        lead.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut TenantTx, id: LeadId) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update leads set deleted_at = $2, version = version + 1 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The stage that a lead stands in, deleted or not.
pub(super) async fn stage_of(tx: &mut TenantTx, id: LeadId) -> sqlx::Result<Option<StageId>> {
    let stage = sqlx::query_scalar!(
        r#"select stage_id as "stage_id: StageId" from leads where id = $1"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(stage.flatten())
}

/// Undoes a deletion that is not older than `since`; says whether there was one.
pub(super) async fn restore(
    tx: &mut TenantTx,
    id: LeadId,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let now = tx.now();
    let restored = sqlx::query!(
        "update leads set deleted_at = null, version = version + 1, updated_at = greatest(updated_at, $3)
         where id = $1 and deleted_at >= $2",
        id.0,
        since,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(restored.rows_affected() > 0)
}

/// The currency of amounts that name none.
pub(super) async fn default_currency(tx: &mut TenantTx) -> sqlx::Result<String> {
    sqlx::query_scalar!("select currency from tenants").fetch_one(tx.conn()).await
}

/// How many leads stand in these stages.
pub(super) async fn count_in(tx: &mut TenantTx, stages: &[Uuid]) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from leads where stage_id = any ($1) and deleted_at is null"#,
        stages,
    )
    .fetch_one(tx.conn())
    .await
}

/// Some of the leads in these stages, at most so many, kept from other writers until the transaction ends.
pub(super) async fn lock_in(
    tx: &mut TenantTx,
    stages: &[Uuid],
    most: i64,
) -> sqlx::Result<Vec<Lead>> {
    let ids = sqlx::query_scalar!(
        "select id from leads where stage_id = any ($1) and deleted_at is null order by id limit $2 for no key update",
        stages,
        most,
    )
    .fetch_all(tx.conn())
    .await?;
    find_all(tx, &ids).await
}

/// Moves these leads, all of which are there and locked.
pub(super) async fn move_to(
    tx: &mut TenantTx,
    ids: &[Uuid],
    pipeline: PipelineId,
    stage: StageId,
) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update leads
         set pipeline_id = $2, stage_id = $3, version = version + 1, updated_at = greatest(updated_at, $4)
         where id = any ($1)",
        ids,
        pipeline.0,
        stage.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Moves some of a stage's deleted leads, at most so many, behind an id: the ids.
pub(super) async fn move_deleted(
    tx: &mut TenantTx,
    (stage, after): (StageId, Uuid),
    to: Option<&Place>,
    most: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update leads set pipeline_id = $3, stage_id = $4
         where id = any (array(select id from leads where stage_id = $1 and id > $2 and deleted_at is not null
                               order by id limit $5))
         returning id",
        stage.0,
        after,
        to.map(|to| to.pipeline_id.0),
        to.map(|to| to.stage_id.0),
        most,
    )
    .fetch_all(tx.conn())
    .await
}

/// Whether more leads than this are in these stages, deleted or not.
pub(super) async fn are_more_in(
    tx: &mut TenantTx,
    stages: &[Uuid],
    many: i64,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from leads where stage_id = any ($1) offset $2) as "more!""#,
        stages,
        many,
    )
    .fetch_one(tx.conn())
    .await
}
