//! The SQL that finds and writes many contacts at once. The tenant is the transaction's, as everywhere.

use uuid::Uuid;

use super::Contact;
use crate::db::TenantTx;
use crate::id::{CompanyId, ContactId, TenantId};

/// A contact that an import may be about, and the company it has.
pub type Candidate = (ContactId, Option<CompanyId>);

/// What the database makes of e-mail addresses when it compares them: `lower()` is its own, not ours.
pub(crate) async fn email_keys(
    tx: &mut TenantTx,
    emails: Vec<String>,
) -> sqlx::Result<impl Iterator<Item = (String, String)>> {
    let keys = sqlx::query_scalar!(
        r#"select lower(e.email) as "key!" from unnest($1::text[]) with ordinality e (email, place) order by e.place"#,
        &emails,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(emails.into_iter().zip(keys))
}

/// Up to two contacts of each address.
pub(crate) async fn with_email(tx: &mut TenantTx, keys: &[String]) -> sqlx::Result<Vec<Candidate>> {
    let rows = sqlx::query!(
        r#"select c.id as "id: ContactId", c.company_id as "company_id: CompanyId"
           from unnest($1::text[]) k (key) cross join lateral (
               select id, company_id from contacts
               where email_key = k.key and deleted_at is null order by id limit 2) c"#,
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.company_id)).collect())
}

/// The contacts of these external ids.
pub(crate) async fn with_external_id(
    tx: &mut TenantTx,
    ids: &[String],
) -> sqlx::Result<Vec<Candidate>> {
    let rows = sqlx::query!(
        r#"select id as "id: ContactId", company_id as "company_id: CompanyId"
           from contacts where external_id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.company_id)).collect())
}

/// The companies of contacts, before the contacts themselves are locked.
pub(crate) async fn companies_of(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Candidate>> {
    let rows = sqlx::query!(
        r#"select id as "id: ContactId", company_id as "company_id: CompanyId"
           from contacts where id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.company_id)).collect())
}

/// Contacts with the keys of their addresses; other writers are kept off them until the transaction ends.
pub(crate) async fn lock(
    tx: &mut TenantTx,
    ids: &[Uuid],
) -> sqlx::Result<Vec<(Contact, Option<String>)>> {
    let rows = sqlx::query!(
        r#"select id as "id: ContactId", tenant_id as "tenant_id: TenantId", name, email, phone, phone_e164, company,
                  company_id as "company_id: CompanyId", external_id, version, created_at, updated_at, email_key
           from contacts where id = any ($1) and deleted_at is null order by id for no key update"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let contacts = rows.into_iter().map(|row| {
        let contact = Contact {
            id: row.id,
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
        (contact, row.email_key)
    });
    Ok(contacts.collect())
}

/// Who has these addresses, by their keys.
pub(crate) async fn email_holders(
    tx: &mut TenantTx,
    keys: &[String],
) -> sqlx::Result<Vec<(String, ContactId)>> {
    let rows = sqlx::query!(
        r#"select c.email_key as "key!", c.id as "id: ContactId"
           from contacts c where c.email_key = any ($1) and c.deleted_at is null"#,
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.id)).collect())
}

/// Who has these external ids.
pub(crate) async fn external_id_holders(
    tx: &mut TenantTx,
    ids: &[String],
) -> sqlx::Result<Vec<(String, ContactId)>> {
    let rows = sqlx::query!(
        r#"select external_id as "external_id!", id as "id: ContactId"
           from contacts where external_id = any ($1) and deleted_at is null"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.external_id, row.id)).collect())
}

/// Whether no two contacts of the tenant may share an address.
pub(crate) async fn emails_are_unique(tx: &mut TenantTx) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    sqlx::query_scalar!("select unique_contact_emails from tenants where id = $1", tenant.0)
        .fetch_one(tx.conn())
        .await
}

/// Keeps the tenant's rule for addresses as it is until the transaction ends, and says whether there is one. Without
/// one the addresses of contacts are not looked at any more (migration 0026).
pub(crate) async fn lock_email_rule(tx: &mut TenantTx) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    sqlx::query!("select pg_advisory_xact_lock_shared(contact_emails_lock($1))", tenant.0)
        .execute(tx.conn())
        .await?;
    let ruled = emails_are_unique(tx).await?;
    if !ruled {
        sqlx::query!("set local app.contacts_unruled = 'on'").execute(tx.conn()).await?;
    }
    Ok(ruled)
}

/// Waits for other imports of the tenant and keeps them waiting: two that bring the same contact make one.
pub(crate) async fn take_turns(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('contact imports of ' || $1::uuid, 0))",
        tenant.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps everybody else from writing what must be unique until the transaction ends (migration 0013).
pub(crate) async fn lock_unique_values(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!("select pg_advisory_xact_lock(contact_emails_lock($1))", tenant.0)
        .execute(tx.conn())
        .await?;
    sqlx::query!("set local app.contacts_held = 'on'").execute(tx.conn()).await?;
    Ok(())
}

/// Takes the unique values off contacts that are about to get others, so that two can swap theirs.
pub(crate) async fn free(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("update contacts set email = null, external_id = null where id = any ($1)", ids)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Hides contacts.
pub(crate) async fn delete(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update contacts set deleted_at = $2, version = version + 1 where id = any ($1)",
        ids,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The columns of contacts, each as one array.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    names: Vec<String>,
    emails: Vec<Option<String>>,
    phones: Vec<Option<String>>,
    e164s: Vec<Option<String>>,
    companies: Vec<Option<String>>,
    company_ids: Vec<Option<Uuid>>,
    external_ids: Vec<Option<String>>,
    versions: Vec<i32>,
    created: Vec<chrono::DateTime<chrono::Utc>>,
    updated: Vec<chrono::DateTime<chrono::Utc>>,
}

impl Columns {
    fn of(contacts: &[&Contact]) -> Self {
        let mut columns = Self::default();
        for contact in contacts {
            columns.ids.push(contact.id.0);
            columns.names.push(contact.name.clone());
            columns.emails.push(contact.email.clone());
            columns.phones.push(contact.phone.clone());
            columns.e164s.push(contact.phone_e164.clone());
            columns.companies.push(contact.company.clone());
            columns.company_ids.push(contact.company_id.map(|id| id.0));
            columns.external_ids.push(contact.external_id.clone());
            columns.versions.push(contact.version);
            columns.created.push(contact.created_at);
            columns.updated.push(contact.updated_at);
        }
        columns
    }
}

/// Stores new contacts.
pub(crate) async fn insert(tx: &mut TenantTx, contacts: &[&Contact]) -> sqlx::Result<()> {
    let (tenant, c) = (tx.tenant(), Columns::of(contacts));
    sqlx::query!(
        "insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, company_id, external_id, version,
                               created_at, updated_at)
         select $1, c.*
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[],
                     $10::integer[], $11::timestamptz[], $12::timestamptz[]) c",
        tenant.0,
        &c.ids,
        &c.names,
        &c.emails as &[Option<String>],
        &c.phones as &[Option<String>],
        &c.e164s as &[Option<String>],
        &c.companies as &[Option<String>],
        &c.company_ids as &[Option<Uuid>],
        &c.external_ids as &[Option<String>],
        &c.versions,
        &c.created,
        &c.updated,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes changed contacts, which are locked. They go by `ctid`, so that the planner cannot read all for each.
pub(crate) async fn update(tx: &mut TenantTx, contacts: &[&Contact]) -> sqlx::Result<()> {
    let c = Columns::of(contacts);
    sqlx::query!(
        "update contacts
         set name = c.name, email = c.email, phone = c.phone, phone_e164 = c.e164, company = c.company,
             company_id = c.company_id, external_id = c.external_id, version = c.version, updated_at = c.updated
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                     $9::integer[], $10::timestamptz[])
              c (id, name, email, phone, e164, company, company_id, external_id, version, updated)
              cross join lateral (select ctid as place from contacts where id = c.id offset 0) found
         where contacts.ctid = found.place",
        &c.ids,
        &c.names,
        &c.emails as &[Option<String>],
        &c.phones as &[Option<String>],
        &c.e164s as &[Option<String>],
        &c.companies as &[Option<String>],
        &c.company_ids as &[Option<Uuid>],
        &c.external_ids as &[Option<String>],
        &c.versions,
        &c.updated,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
