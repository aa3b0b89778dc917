//! The SQL of settings: columns of the tenant's own row.

use shared::TenantTx;
use shared::id::TenantId;

use super::Settings;

pub(super) async fn find(tx: &mut TenantTx) -> sqlx::Result<Settings> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Settings,
        r#"select id as "tenant_id: TenantId", name, currency, timezone, locale, unique_contact_emails,
                  qr_login_allowed, qr_same_network_required, event_retention_days, settings_version as version,
                  created_at, updated_at
           from tenants where id = $1"#,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await
}

/// Finds them and keeps other writers off them until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx) -> sqlx::Result<Settings> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Settings,
        r#"select id as "tenant_id: TenantId", name, currency, timezone, locale, unique_contact_emails,
                  qr_login_allowed, qr_same_network_required, event_retention_days, settings_version as version,
                  created_at, updated_at
           from tenants where id = $1 for no key update"#,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, settings: &Settings) -> sqlx::Result<()> {
    sqlx::query!(
        "update tenants
         set name = $2, currency = $3, timezone = $4, locale = $5, unique_contact_emails = $6, qr_login_allowed = $7,
             qr_same_network_required = $8, event_retention_days = $9, settings_version = $10, updated_at = $11
         where id = $1",
        settings.tenant_id.0,
        settings.name,
        settings.currency,
        settings.timezone,
        settings.locale,
        settings.unique_contact_emails,
        settings.qr_login_allowed,
        settings.qr_same_network_required,
        settings.event_retention_days,
        settings.version,
        settings.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Waits for everyone who is writing a contact's address, and keeps others from it (migration 0012).
pub(super) async fn lock_emails(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!("select pg_advisory_xact_lock(contact_emails_lock($1))", tenant.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// How many addresses belong to more than one contact, and to how many contacts.
pub(super) async fn shared_emails(tx: &mut TenantTx) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select count(*) as "addresses!", coalesce(sum(held), 0)::bigint as "contacts!"
           from (select count(*) as held from contacts where deleted_at is null and email_key is not null
                 group by email_key having count(*) > 1) as shared"#,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((row.addresses, row.contacts))
}
