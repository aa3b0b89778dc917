//! Many contacts of many tenants, written by SQL: the api would take half an hour. Ids end in plain numbers, so that
//! load generators can name them.

use api::auth::api_key::{self, Pepper};
use shared::Clock;
use shared::id::ApiKeyId;
use shared::scope::Scope;
use shared::settings::Value as _;
use sqlx::PgConnection;

use super::options::Options;
use super::stage::{Stage, execute};
use crate::servers::Result;

/// The last digits of the first tenant's id, and of the contact before the first.
const BASE: u64 = 100_000_000_000;

/// See the module.
pub struct Population {
    pub tenants: u64,
    pub contacts_each: u64,
    /// One for each tenant.
    pub api_keys: Vec<String>,
}

impl Population {
    /// Writes it into empty tables.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(stage: &Stage, options: &Options) -> Result<Self> {
        let (tenants, contacts_each) = if options.quick { (50, 400) } else { (1_000, 1_000) };
        Self::of(stage, tenants, contacts_each).await
    }

    /// So many tenants with so many contacts each, of which 50 have a company in common.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(stage: &Stage, tenants: u64, contacts_each: u64) -> Result<Self> {
        let mut session = stage.superuser().await?;
        // Rows that hold together need not be checked one by one.
        execute(
            &mut session,
            [
                "set session_replication_role = replica",
                "truncate contacts, outbox, audit_log cascade",
            ],
        )
        .await?;
        insert_tenants(&mut session, tenants, contacts_each).await?;
        let api_keys = insert_keys(&mut session, tenants, stage.pepper()).await?;
        insert_contacts(&mut session, tenants * contacts_each, contacts_each).await?;
        execute(&mut session, ["vacuum (analyze)", "checkpoint"]).await?;
        Ok(Self { tenants, contacts_each, api_keys })
    }

    pub fn contacts(&self) -> u64 {
        self.tenants * self.contacts_each
    }

    /// The tenant of a contact, both counted from 0.
    pub fn tenant_of(&self, contact: u64) -> usize {
        usize::try_from(contact / self.contacts_each).unwrap_or(usize::MAX)
    }

    /// The last digits of a tenant's id, counted from 0.
    pub fn tenant_digits(tenant: usize) -> String {
        (BASE + tenant as u64).to_string()
    }

    /// The last digits of a contact's id, counted from 0.
    pub fn contact_digits(contact: u64) -> String {
        (BASE + 1 + contact).to_string()
    }

    /// A contact's id, counted from 0.
    pub fn contact_id(contact: u64) -> String {
        format!("01930000-0000-7000-9000-{}", Self::contact_digits(contact))
    }
}

/// Tenants, and that they have told of so many contacts: the first event of a tenant costs more than any other.
async fn insert_tenants(session: &mut PgConnection, tenants: u64, contacts: u64) -> Result<()> {
    sqlx::query(
        "insert into tenants (id, name, created_at, updated_at)
         select ('01930000-0000-7000-8000-' || $1 + n)::uuid, 'Tenant ' || n, now(), now()
         from generate_series(0, $2 - 1) n",
    )
    .bind(i64::try_from(BASE)?)
    .bind(i64::try_from(tenants)?)
    .execute(&mut *session)
    .await?;
    sqlx::query(
        "insert into event_logs (tenant_id, last, forgotten) select id, $1, $1 from tenants
         on conflict do nothing",
    )
    .bind(i64::try_from(contacts)?)
    .execute(session)
    .await?;
    Ok(())
}

async fn insert_keys(
    session: &mut PgConnection,
    tenants: u64,
    pepper: &str,
) -> Result<Vec<String>> {
    let pepper = Pepper::parse(pepper)?;
    let now = Clock::system().now();
    let keys: Vec<_> = (0..tenants).map(|_| api_key::generate()).collect();
    let texts: Vec<String> = keys.iter().map(|key| key.text.expose().clone()).collect();
    let prefixes: Vec<String> = keys.into_iter().map(|key| key.prefix).collect();
    let hashes: Vec<Vec<u8>> = texts.iter().map(|text| pepper.hash(text)).collect();
    let ids: Vec<_> = prefixes.iter().map(|_| ApiKeyId::fresh(now).0).collect();
    let scopes: Vec<String> = Scope::ALL.iter().map(ToString::to_string).collect();
    sqlx::query(
        "insert into api_keys (tenant_id, id, name, prefix, hash, scopes, created_at, updated_at)
         select ('01930000-0000-7000-8000-' || $1 + k.place - 1)::uuid, k.id, 'Bench', k.prefix, k.hash, $5, now(), now()
         from unnest($2::uuid[], $3::text[], $4::bytea[]) with ordinality as k (id, prefix, hash, place)",
    )
    .bind(i64::try_from(BASE)?)
    .bind(ids)
    .bind(prefixes)
    .bind(hashes)
    .bind(scopes)
    .execute(session)
    .await?;
    Ok(texts)
}

/// With the indexes built afterwards, which is many times faster.
async fn insert_contacts(session: &mut PgConnection, contacts: u64, each: u64) -> Result<()> {
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "select indexname::text, indexdef from pg_indexes where tablename = 'contacts' and indexname <> 'contacts_pkey'",
    )
    .fetch_all(&mut *session)
    .await?;
    for (name, _) in &indexes {
        execute(session, [format!("drop index {name}").as_str()]).await?;
    }
    sqlx::query(
        "insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, created_at, updated_at)
         select ('01930000-0000-7000-8000-' || $1 + (n - 1) / $3)::uuid, ('01930000-0000-7000-9000-' || $1 + n)::uuid,
                'Contact ' || $1 + n, 'c' || $1 + n || '@example.com', '+49' || $1 + n, '+49' || $1 + n,
                'Company ' || n % greatest($3 / 50, 1), now() - n * interval '1 second', now() - n * interval '1 second'
         from generate_series(1, $2) n",
    )
    .bind(i64::try_from(BASE)?)
    .bind(i64::try_from(contacts)?)
    .bind(i64::try_from(each)?)
    .execute(&mut *session)
    .await?;
    execute(session, ["set maintenance_work_mem = '512MB'"]).await?;
    for (_, definition) in &indexes {
        execute(session, [definition.as_str()]).await?;
    }
    Ok(())
}
