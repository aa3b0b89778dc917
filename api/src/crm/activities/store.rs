//! The SQL of activities.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{ActivityId, CompanyId, ContactId, LeadId, TenantId};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Activity, DoneBy};
use crate::list::Source;

/// What lists of activities select from.
pub(super) static SOURCE: Source = Source {
    columns:
        "id, tenant_id, type, subject, body, occurred_at, due_at, contact_id, company_id, lead_id,
        json_build_object('type', actor_type, 'id', actor_id) as actor, created_at",
    table: "activities",
    condition: "true",
    inside: None,
};

/// The same, of one record.
pub(super) fn about(column: &'static str, id: Uuid) -> Source {
    let Source { columns, table, condition, .. } = SOURCE;
    Source { columns, table, condition, inside: Some((column, id)) }
}

/// Writes activities that the actor of the transaction is the author of.
pub(super) async fn insert(tx: &mut TenantTx, activities: &[Activity]) -> sqlx::Result<()> {
    let (tenant, now, actor) = (tx.tenant(), tx.now(), tx.actor());
    let each = || activities.iter();
    let ids: Vec<Uuid> = each().map(|one| one.id.0).collect();
    let types: Vec<String> = each().map(|one| one.kind.clone()).collect();
    let subjects: Vec<String> = each().map(|one| one.subject.clone()).collect();
    let bodies: Vec<Option<String>> = each().map(|one| one.body.clone()).collect();
    let times: Vec<DateTime<Utc>> = each().map(|one| one.occurred_at).collect();
    let due: Vec<Option<DateTime<Utc>>> = each().map(|one| one.due_at).collect();
    let contacts: Vec<Option<Uuid>> = each().map(|one| one.contact_id.map(|id| id.0)).collect();
    let companies: Vec<Option<Uuid>> = each().map(|one| one.company_id.map(|id| id.0)).collect();
    let leads: Vec<Option<Uuid>> = each().map(|one| one.lead_id.map(|id| id.0)).collect();
    sqlx::query!(
        "insert into activities (tenant_id, id, type, subject, body, occurred_at, due_at, contact_id, company_id,
                                 lead_id, actor_type, actor_id, created_at)
         select $1, a.*, $11, $12, $13
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::uuid[],
                     $9::uuid[], $10::uuid[]) a",
        tenant.0,
        &ids,
        &types,
        &subjects,
        &bodies as &[Option<String>],
        &times,
        &due as &[Option<DateTime<Utc>>],
        &contacts as &[Option<Uuid>],
        &companies as &[Option<Uuid>],
        &leads as &[Option<Uuid>],
        actor.kind(),
        actor.id(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn find(tx: &mut TenantTx, id: ActivityId) -> sqlx::Result<Option<Activity>> {
    shared::find!(
        tx,
        Activity,
        r#"select id as "id: ActivityId", tenant_id as "tenant_id: TenantId", type as kind, subject, body, occurred_at,
                  due_at, contact_id as "contact_id: ContactId", company_id as "company_id: CompanyId",
                  lead_id as "lead_id: LeadId",
                  json_build_object('type', actor_type, 'id', actor_id) as "actor!: Json<DoneBy>", created_at
           from activities where id = $2"#,
        id.0,
    )
    .await
}
