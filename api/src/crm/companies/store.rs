//! The SQL of companies.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::db::creation::Creation;
use shared::id::{CompanyId, TenantId};
use uuid::Uuid;

use super::Company;
use crate::list::Source;

/// What lists of companies select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, name, industry, website, employees, version, created_at, updated_at, deleted_at",
    table: "companies",
    condition: "deleted_at is null",
    inside: None,
};

pub(super) async fn insert(
    tx: &mut TenantTx,
    company: &Company,
    creation: Creation,
) -> sqlx::Result<()> {
    shared::insert!(
        tx,
        creation,
        "insert into companies (tenant_id, id, name, industry, website, employees, version, created_at, updated_at)
         select tenant, $16, $17, $18, $19, $20, $21, $22, $23 from caller",
        company.id.0,
        company.name,
        company.industry,
        company.website,
        company.employees,
        company.version,
        company.created_at,
        company.updated_at,
    )
    .await
}

pub(super) async fn find(tx: &mut TenantTx, id: CompanyId) -> sqlx::Result<Option<Company>> {
    shared::find!(
        tx,
        Company,
        r#"select id as "id: CompanyId", tenant_id as "tenant_id: TenantId", name, industry, website, employees,
                  version, created_at, updated_at
           from companies where id = $2 and deleted_at is null"#,
        id.0,
    )
    .await
}

pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Company>> {
    sqlx::query_as!(
        Company,
        r#"select id as "id: CompanyId", tenant_id as "tenant_id: TenantId", name, industry, website, employees,
                  version, created_at, updated_at
           from companies where id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

/// Finds a company and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: CompanyId) -> sqlx::Result<Option<Company>> {
    sqlx::query_as!(
        Company,
        r#"select id as "id: CompanyId", tenant_id as "tenant_id: TenantId", name, industry, website, employees,
                  version, created_at, updated_at
           from companies where id = $1 and deleted_at is null for no key update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, company: &Company) -> sqlx::Result<()> {
    sqlx::query!(
        "update companies
         set name = $2, industry = $3, website = $4, employees = $5, version = $6, updated_at = $7
         where id = $1",
        company.id.0,
        company.name,
        company.industry,
        company.website,
        company.employees,
        company.version,
        company.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut TenantTx, id: CompanyId) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update companies set deleted_at = $2, version = version + 1 where id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Undoes a deletion that is not older than `since`.
pub(super) async fn restore(
    tx: &mut TenantTx,
    id: CompanyId,
    since: DateTime<Utc>,
) -> sqlx::Result<Option<Company>> {
    let now = tx.now();
    sqlx::query_as!(
        Company,
        r#"update companies set deleted_at = null, version = version + 1, updated_at = greatest(updated_at, $3)
           where id = $1 and deleted_at >= $2
           returning id as "id: CompanyId", tenant_id as "tenant_id: TenantId", name, industry, website, employees,
                     version, created_at, updated_at"#,
        id.0,
        since,
        now,
    )
    .fetch_optional(tx.conn())
    .await
}
