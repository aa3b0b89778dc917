//! Rows for every tenant table, made up from the catalog: each column by its type, foreign keys by following them.
//! A new table needs nothing here, unless it brings a type that [`made_up`] does not know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::id::{TenantId, WebhookId};
use shared::seal::Keyring;
use shared::settings::Value as _;
use shared::webhook::Owner;
use shared::webhook::keys::{Key, SigningKeys};
use shared::webhook::signature::SigningSecret;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tests::kit::{SECRET_KEY, START};
use uuid::Uuid;

/// A table whose rows belong to tenants.
#[derive(Debug)]
pub struct Table {
    pub name: String,
    /// The column that names the tenant: `tenant_id`, or `id` of `tenants` itself.
    pub key: String,
    /// The columns that can be written.
    pub columns: Vec<Column>,
    pub references: Vec<Reference>,
}

/// A column that is neither generated nor drawn by the database.
#[derive(Debug, sqlx::FromRow)]
pub struct Column {
    pub name: String,
    pub type_name: String,
    pub required: bool,
    has_default: bool,
    /// The definition of the check constraint on this column alone.
    pub check: Option<String>,
}

impl Column {
    /// The words that its check constraint allows, if that is what it does.
    pub fn words(&self) -> Option<Vec<&str>> {
        let check = self.check.as_deref().filter(|check| check.contains("ANY (ARRAY["))?;
        Some(check.split('\'').skip(1).step_by(2).collect())
    }
}

/// A foreign key.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Reference {
    pub table: String,
    pub columns: Vec<String>,
    pub target: String,
    pub target_columns: Vec<String>,
}

/// A row as JSON, as `jsonb_populate_record` reads it.
pub type Row = Map<String, Value>;

/// One row in each table, all of one tenant and pointing at each other.
pub type World = BTreeMap<String, Row>;

/// A text that occurs in every text of the tenant's made-up rows.
pub fn canary(tenant: TenantId) -> String {
    format!("canary-{tenant}")
}

/// Every tenant table, the referenced before the referring.
pub async fn tables(admin: &PgPool) -> Vec<Table> {
    let names: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and not a.attisdropped
           and a.attname = case c.relname when 'tenants' then 'id' else 'tenant_id' end
         order by 1",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    let mut references: Vec<Reference> = sqlx::query_as(
        "select k.conrelid::regclass::text as table, k.confrelid::regclass::text as target,
                (select array_agg(attname::text order by n) from unnest(k.conkey) with ordinality u(num, n)
                 join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num) as columns,
                (select array_agg(attname::text order by n) from unnest(k.confkey) with ordinality u(num, n)
                 join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num) as target_columns
         from pg_constraint k where k.contype = 'f' order by k.conname",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    // Without constraints, which would lock what they refer to whenever a partition goes.
    let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    for (table, column, target) in [
        ("webhook_events", "webhook_id", "webhooks"),
        ("webhook_attempts", "delivery_id", "webhook_events"),
    ] {
        references.push(Reference {
            table: table.to_owned(),
            columns: words(["tenant_id", column]),
            target: target.to_owned(),
            target_columns: words(["tenant_id", "id"]),
        });
    }
    let mut tables = Vec::new();
    for (name, key) in names {
        let columns = columns(admin, &name).await;
        let references =
            references.iter().filter(|reference| reference.table == name).cloned().collect();
        tables.push(Table { name, key, columns, references });
    }
    in_order(tables)
}

async fn columns(admin: &PgPool, table: &str) -> Vec<Column> {
    sqlx::query_as(
        "select a.attname::text as name, format_type(a.atttypid, null) as type_name, a.attnotnull as required,
                a.atthasdef as has_default,
                (select pg_get_constraintdef(k.oid) from pg_constraint k
                 where k.conrelid = a.attrelid and k.contype = 'c' and k.conkey = array[a.attnum] limit 1) as check
         from pg_attribute a
         where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
           and a.attidentity = '' and a.attgenerated = ''
         order by a.attnum",
    )
    .bind(table)
    .fetch_all(admin)
    .await
    .unwrap()
}

fn in_order(mut waiting: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|table| {
            let known = |target: &str| {
                target == table.name || ordered.iter().any(|other| other.name == target)
            };
            table.references.iter().all(|reference| known(&reference.target))
        });
        ordered.push(waiting.remove(ready.expect("foreign keys that do not go round in circles")));
    }
    ordered
}

impl Table {
    /// A row of the tenant that is in nobody's way; what it refers to is taken from `world`.
    pub fn row(&self, tenant: TenantId, world: &World) -> Row {
        let mut row = Row::new();
        for column in &self.columns {
            if let Some(value) = made_up(&self.name, column, tenant) {
                row.insert(column.name.clone(), value);
            }
        }
        for reference in &self.references {
            for (here, there) in reference.columns.iter().zip(&reference.target_columns) {
                let target = world.get(&reference.target).and_then(|target| target.get(there));
                row.insert(here.clone(), target.cloned().unwrap_or(Value::Null));
            }
        }
        row.insert(self.key.clone(), json!(tenant));
        row
    }

    /// The statement that inserts a row with these columns, the row being `$1`.
    pub fn insert(&self, row: &Row) -> String {
        let columns = row.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let table = &self.name;
        format!(
            "insert into {table} ({columns}) select {columns} from jsonb_populate_record(null::{table}, $1)"
        )
    }
}

/// Plants one row of the tenant in every table, past all policies. Rows that it has once may be there already.
#[expect(clippy::disallowed_methods, reason = "the superuser's, with no tenant to leak")]
pub async fn plant(admin: &PgPool, tables: &[Table], tenant: TenantId) -> World {
    let mut world = World::new();
    let mut tx = admin.begin().await.unwrap();
    for table in tables {
        let row = table.row(tenant, &world);
        let one_of_tenant = ["tenants", "event_logs"].contains(&table.name.as_str());
        let already = if one_of_tenant { " on conflict do nothing" } else { "" };
        let insert = format!("{}{already}", table.insert(&row));
        let inserting = sqlx::query(AssertSqlSafe(insert)).bind(Value::from(row.clone()));
        if let Err(error) = inserting.execute(&mut *tx).await {
            panic!("the generator does not manage {}: {error}\n{row:#?}", table.name);
        }
        if table.name == "leads" {
            // In no stage, so that its pipeline can be deleted.
            let sql = "update leads set pipeline_id = null, stage_id = null where tenant_id = $1";
            sqlx::query(sql).bind(tenant.0).execute(&mut *tx).await.unwrap();
        }
        if table.name == "webhooks" {
            seal(&mut tx, tenant, &row).await;
        }
        world.insert(table.name.clone(), row);
    }
    tx.commit().await.unwrap();
    world
}

/// Tables whose deleted rows are in a list of their own.
pub const RESTORABLE: [&str; 3] = ["companies", "contacts", "leads"];

/// Plants rows like those of this world with other ids, deleted.
pub async fn plant_deleted(admin: &PgPool, tables: &[Table], world: &World) {
    for table in tables.iter().filter(|table| RESTORABLE.contains(&&*table.name)) {
        let mut twin = world[&table.name].clone();
        twin.insert("id".to_owned(), json!(Uuid::from_u128(rand::random())));
        twin.insert("deleted_at".to_owned(), json!(START));
        let insert = sqlx::query(AssertSqlSafe(table.insert(&twin))).bind(Value::from(twin));
        insert.execute(admin).await.unwrap();
    }
}

/// Gives a planted webhook a secret that can be opened and holds the canary.
async fn seal(conn: &mut PgConnection, tenant: TenantId, webhook: &Row) {
    let id: WebhookId = webhook["id"].as_str().unwrap().parse().unwrap();
    let secret = SigningSecret::parse(&canary(tenant)).unwrap();
    let keys = SigningKeys::first(Key::new(secret).unwrap());
    let sealed = keys.seal(&keyring(), Owner(tenant, id)).unwrap();
    sqlx::query("update webhooks set secret_enc = $3 where tenant_id = $1 and id = $2")
        .bind(tenant.0)
        .bind(id.0)
        .bind(sealed)
        .execute(conn)
        .await
        .unwrap();
}

fn keyring() -> Keyring {
    Keyring::parse(&format!("1:{SECRET_KEY}")).unwrap()
}

/// A value for the column; `None` leaves it to its default.
fn made_up(table: &str, column: &Column, tenant: TenantId) -> Option<Value> {
    // A delivery that has ended, so that its tenant can have it sent again.
    if (table, column.name.as_str()) == ("webhook_events", "status") {
        return Some(json!("delivered"));
    }
    if (table, column.name.as_str()) == ("webhook_events", "skip_reason") {
        return Some(Value::Null);
    }
    // It tells of the event.
    if (table, column.name.as_str()) == ("event_logs", "last") {
        return Some(json!(1));
    }
    // A session that lives.
    if (table, column.name.as_str()) == ("sessions", "expires_at") {
        return Some(json!("2026-02-02T03:04:05Z"));
    }
    if column.has_default {
        return None;
    }
    let unique = rand::random::<u128>();
    let text = format!("{}-{unique:032x}", canary(tenant));
    if let Some(shaped) = shaped(table, &column.name, &text) {
        return Some(shaped);
    }
    Some(match column.type_name.as_str() {
        "uuid" => json!(Uuid::from_u128(unique)),
        "text" => json!(column.check.as_deref().and_then(first_literal).unwrap_or(&text)),
        "text[]" => json!([text]),
        "uuid[]" => json!([Uuid::from_u128(unique)]),
        "json" | "jsonb" => json!({"data": text}),
        "bytea" => json!(format!("\\x{unique:032x}")),
        "integer" | "bigint" | "smallint" | "numeric" => json!(1),
        "boolean" => json!(true),
        // What may be absent says that something ended, such as deleted_at.
        "timestamp with time zone" if !column.required => Value::Null,
        "timestamp with time zone" => json!("2026-01-02T03:04:05Z"),
        other => panic!("teach `made_up` the type {other} of {table}.{}", column.name),
    })
}

/// What the api reads back must have its shape, or be a word that it knows.
fn shaped(table: &str, column: &str, text: &str) -> Option<Value> {
    match (table, column) {
        ("webhooks", "identity_shown") => {
            Some(json!({"subject": text, "fingerprint": text, "expiresAt": "2030-01-02T03:04:05Z"}))
        }
        // A filter that passes everything.
        ("webhooks", "filter_path") => Some(json!("true")),
        ("webhook_attempts" | "webhook_events", "trigger") => Some(json!("manual")),
        ("webhook_attempts", "detail") => Some(json!({
            "phase": null, "warning": null, "timings": {}, "connection": null, "requestHeaders": {"x": text},
            "responseHeaders": {"x": text}, "next": {"at": null, "why": "delivered"},
        })),
        _ => None,
    }
}

/// `'owner'` of `CHECK ((role = ANY (ARRAY['owner'::text, …])))`.
fn first_literal(check: &str) -> Option<&str> {
    check.split('\'').nth(1)
}
