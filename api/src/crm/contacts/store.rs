//! The SQL of contacts. The tenant is not in it: it is the transaction's, and the policies keep it there.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::db::creation::Creation;
use shared::id::{CompanyId, ContactId, TenantId};
use uuid::Uuid;

use super::Contact;
use crate::list::Source;

/// What lists of contacts select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, name, email, phone, phone_e164, company, company_id, external_id, version, created_at,
              updated_at, deleted_at",
    table: "contacts",
    condition: "deleted_at is null",
    inside: None,
};

pub(super) async fn insert(
    tx: &mut TenantTx,
    contact: &Contact,
    creation: Creation,
) -> sqlx::Result<()> {
    shared::insert!(
        tx,
        creation,
        "insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, company_id, external_id, version,
                               created_at, updated_at)
         select tenant, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26 from caller",
        contact.id.0,
        contact.name,
        contact.email,
        contact.phone,
        contact.phone_e164,
        contact.company,
        contact.company_id.map(|id| id.0),
        contact.external_id,
        contact.version,
        contact.created_at,
        contact.updated_at,
    )
    .await
}

pub(super) async fn find(tx: &mut TenantTx, id: ContactId) -> sqlx::Result<Option<Contact>> {
    shared::find!(
        tx,
        Contact,
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  company_id as "company_id: CompanyId", external_id, version, created_at, updated_at
           from contacts where id = $2 and deleted_at is null"#,
        id.0,
    )
    .await
}

/// Those of the contacts that are there.
pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Contact>> {
    sqlx::query_as!(
        Contact,
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  company_id as "company_id: CompanyId", external_id, version, created_at, updated_at
           from contacts where id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

/// Finds a contact and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: ContactId) -> sqlx::Result<Option<Contact>> {
    sqlx::query_as!(
        Contact,
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  company_id as "company_id: CompanyId", external_id, version, created_at, updated_at
           from contacts where id = $1 and deleted_at is null for no key update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, contact: &Contact) -> sqlx::Result<()> {
    sqlx::query!(
        "update contacts
         set name = $2, email = $3, phone = $4, phone_e164 = $5, company = $6, company_id = $7, external_id = $8,
             version = $9, updated_at = $10
         where id = $1",
        contact.id.0,
        contact.name,
        contact.email,
        contact.phone,
        contact.phone_e164,
        contact.company,
        contact.company_id.map(|id| id.0),
        contact.external_id,
        contact.version,
        contact.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut TenantTx, id: ContactId) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update contacts set deleted_at = $2, version = version + 1 where id = $1",
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
    id: ContactId,
    since: DateTime<Utc>,
) -> sqlx::Result<Option<Contact>> {
    let now = tx.now();
    sqlx::query_as!(
        Contact,
        r#"update contacts set deleted_at = null, version = version + 1, updated_at = greatest(updated_at, $3)
           where id = $1 and deleted_at >= $2 and erased_at is null
           returning id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164,
                     company, company_id as "company_id: CompanyId", external_id, version, created_at, updated_at"#,
        id.0,
        since,
        now,
    )
    .fetch_optional(tx.conn())
    .await
}

/// The company that a contact has now.
pub(super) async fn company_of(
    tx: &mut TenantTx,
    id: ContactId,
) -> sqlx::Result<Option<CompanyId>> {
    let company = sqlx::query_scalar!(
        r#"select company_id as "company_id: CompanyId" from contacts where id = $1"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(company.flatten())
}

/// More than a thousand, deleted ones too.
pub(super) async fn are_many_of(tx: &mut TenantTx, company: CompanyId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select count(*) > 1000 as "many!" from (select from contacts where company_id = $1 limit 1001) c"#,
        company.0,
    )
    .fetch_one(tx.conn())
    .await
}

/// Deleted contacts too: they may come back.
pub(super) async fn rename_company(
    tx: &mut TenantTx,
    company: CompanyId,
    from: &str,
    to: &str,
) -> sqlx::Result<()> {
    let now = tx.now();
    take_time(tx).await?;
    sqlx::query!(
        "update contacts set company = $3, version = version + 1, updated_at = greatest(updated_at, $4)
         where company_id = $1 and company = $2",
        company.0,
        from,
        to,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deleted contacts too: they would come back to a company that is gone.
pub(super) async fn leave_company(tx: &mut TenantTx, company: CompanyId) -> sqlx::Result<()> {
    let now = tx.now();
    take_time(tx).await?;
    sqlx::query!(
        "update contacts set company_id = null, version = version + 1, updated_at = greatest(updated_at, $2)
         where company_id = $1",
        company.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A company may have very many contacts: 100,000 take longer than a statement usually may. For the rest of the
/// transaction.
async fn take_time(tx: &mut TenantTx) -> sqlx::Result<()> {
    sqlx::query!("set local statement_timeout = '60s'").execute(tx.conn()).await?;
    Ok(())
}

/// Finds a contact, deleted or not, and whether it is; keeps everyone off it who writes it or refers to it anew.
pub(super) async fn lock_for_good(
    tx: &mut TenantTx,
    id: ContactId,
) -> sqlx::Result<Option<(Contact, bool)>> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  company_id as "company_id: CompanyId", external_id, version, created_at, updated_at,
                  deleted_at is not null as "deleted!"
           from contacts where id = $1 for update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let contact = Contact {
            id,
            tenant_id: row.tenant_id,
            name: row.name,
            email: row.email,
            phone: row.phone,
            phone_e164: row.phone_e164,
            company: row.company,
            company_id: row.company_id,
            external_id: row.external_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        (contact, row.deleted)
    }))
}

/// Writes what is left of a contact that is erased for good.
pub(super) async fn empty(tx: &mut TenantTx, left: &Contact) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update contacts
         set name = $2, email = null, phone = null, phone_e164 = null, company = null, company_id = null,
             external_id = null, version = $3, updated_at = $4, deleted_at = coalesce(deleted_at, $5), erased_at = $5
         where id = $1",
        left.id.0,
        left.name,
        left.version,
        left.updated_at,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
