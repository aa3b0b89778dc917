//! The SQL of contacts. The tenant is not in it: it is the transaction's, and the policies keep it there.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{ContactId, TenantId};

use super::Contact;
use crate::list::Source;

/// What lists of contacts select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, name, email, phone, phone_e164, company, version, created_at, updated_at",
    table: "contacts",
    condition: "deleted_at is null",
    inside: None,
};

pub(super) async fn insert(tx: &mut TenantTx, contact: &Contact) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        contact.tenant_id.0,
        contact.id.0,
        contact.name,
        contact.email,
        contact.phone,
        contact.phone_e164,
        contact.company,
        contact.version,
        contact.created_at,
        contact.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn find(tx: &mut TenantTx, id: ContactId) -> sqlx::Result<Option<Contact>> {
    sqlx::query_as!(
        Contact,
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  version, created_at, updated_at
           from contacts where id = $1 and deleted_at is null"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Finds a contact and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: ContactId) -> sqlx::Result<Option<Contact>> {
    sqlx::query_as!(
        Contact,
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  version, created_at, updated_at
           from contacts where id = $1 and deleted_at is null for no key update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, contact: &Contact) -> sqlx::Result<()> {
    sqlx::query!(
        "update contacts
         set name = $2, email = $3, phone = $4, phone_e164 = $5, company = $6, version = $7, updated_at = $8
         where id = $1",
        contact.id.0,
        contact.name,
        contact.email,
        contact.phone,
        contact.phone_e164,
        contact.company,
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
        r#"update contacts set deleted_at = null, version = version + 1, updated_at = $3
           where id = $1 and deleted_at >= $2
           returning id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164,
                     company, version, created_at, updated_at"#,
        id.0,
        since,
        now,
    )
    .fetch_optional(tx.conn())
    .await
}
