//! Tenant B against tenant A's rows, table by table, straight in the database as the api's own login.

use serde_json::json;
use shared::db::{DbConfig, Origin};
use shared::id::TenantId;
use shared::settings::Value;
use shared::{Clock, Db};
use sqlx::{AssertSqlSafe, PgPool};
use tests::kit::Database;
use uuid::Uuid;

use super::generator::{Row, Table, World, plant, tables};

/// What a statement did: the rows it touched, or the SQLSTATE of its refusal.
type Outcome = Result<u64, String>;

/// SQLSTATE `insufficient_privilege`: no right, or a row that the policy does not let in.
const REFUSED: &str = "42501";
/// SQLSTATE `undefined_object`: the setting that names the tenant.
const NO_TENANT: &str = "42704";
/// SQLSTATE `foreign_key_violation`.
const NO_SUCH_ROW: &str = "23503";

/// A database in which two tenants have one row in every table.
struct Arena {
    database: Database,
    db: Db,
    tables: Vec<Table>,
    a: (TenantId, World),
    b: (TenantId, World),
}

impl Arena {
    async fn new() -> Self {
        let database = Database::migrated().await;
        let tables = tables(database.admin()).await;
        assert!(tables.len() >= 8, "the generator no longer finds the tenant tables");
        let (a, b) = (TenantId(Uuid::from_u128(0xa)), TenantId(Uuid::from_u128(0xb)));
        let worlds =
            (plant(database.admin(), &tables, a).await, plant(database.admin(), &tables, b).await);
        Self {
            db: login(&database.app_url()),
            database,
            tables,
            a: (a, worlds.0),
            b: (b, worlds.1),
        }
    }

    /// Runs a statement as tenant B, `row` being `$1`, and takes it back.
    async fn as_b(&self, sql: &str, row: &Row) -> Outcome {
        let mut tx = self.db.tenant(self.b.0, Origin::default()).await.unwrap();
        let done = sqlx::query(AssertSqlSafe(sql)).bind(json!(row)).execute(tx.conn()).await;
        tx.rollback().await.unwrap();
        outcome(done)
    }

    async fn may(&self, login: &str, table: &str, command: &str) -> bool {
        may(self.database.admin(), login, table, command).await
    }
}

fn login(url: &str) -> Db {
    let url = Value::parse(url).unwrap();
    let config = DbConfig { url, connections: 2, application: "isolation", settings: &[] };
    Db::new(&config, Clock::system())
}

fn outcome(done: sqlx::Result<sqlx::postgres::PgQueryResult>) -> Outcome {
    match done {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(error)) => Err(error.code().unwrap_or_default().into_owned()),
        Err(error) => panic!("{error}"),
    }
}

/// Whether the login has the right to the table or to any of its columns.
async fn may(admin: &PgPool, login: &str, table: &str, command: &str) -> bool {
    let sql = if command == "DELETE" {
        "select has_table_privilege($1, $2::regclass, $3)"
    } else {
        "select has_any_column_privilege($1, $2::regclass, $3)"
    };
    sqlx::query_scalar(sql).bind(login).bind(table).bind(command).fetch_one(admin).await.unwrap()
}

/// A fingerprint of a tenant's rows in each table: contents and versions. One statement for all: it is asked for often.
pub async fn fingerprints(admin: &PgPool, tables: &[Table], tenant: TenantId) -> Vec<String> {
    let of = |Table { name, key, .. }: &Table| {
        format!(
            "select '{name} ' || coalesce(md5(string_agg(t.xmin::text || t::text, ',' order by t.ctid)), '') as print
             from {name} t where t.{key} = $1"
        )
    };
    let sql = tables.iter().map(of).collect::<Vec<_>>().join(" union all ");
    sqlx::query_scalar(AssertSqlSafe(format!("select print from ({sql}) tables order by print")))
        .bind(tenant.0)
        .fetch_all(admin)
        .await
        .unwrap()
}

async fn fingerprint(admin: &PgPool, table: &Table, tenant: TenantId) -> Vec<String> {
    fingerprints(admin, std::slice::from_ref(table), tenant).await
}

/// A condition that finds exactly the row: by its id where it has one.
fn is_row(table: &Table, row: &Row) -> String {
    let column = if row.contains_key("id") { "id" } else { &table.key };
    format!("{column} = {}", literal(&row[column]))
}

/// Our own uuids as literals.
fn literal(value: &serde_json::Value) -> String {
    let text = value.as_str().unwrap();
    assert!(text.parse::<Uuid>().is_ok(), "{text}");
    format!("'{text}'")
}

/// The columns that B may write with this command.
async fn writable(arena: &Arena, table: &Table, command: &str) -> Vec<String> {
    let mut writable = Vec::new();
    for column in &table.columns {
        let allowed: bool =
            sqlx::query_scalar("select has_column_privilege('crm_app', $1::regclass, $2, $3)")
                .bind(&table.name)
                .bind(&column.name)
                .bind(command)
                .fetch_one(arena.database.admin())
                .await
                .unwrap();
        if allowed {
            writable.push(column.name.clone());
        }
    }
    writable
}

#[tokio::test]
async fn rows_of_another_tenant_cannot_be_read() {
    let arena = Arena::new().await;
    for table in &arena.tables {
        let (name, row) = (&table.name, Row::new());
        let theirs = is_row(table, &arena.a.1[name]);
        let all =
            arena.as_b(&format!("select 1 from {name} where $1::jsonb is not null"), &row).await;
        if !arena.may("crm_app", name, "SELECT").await {
            assert_eq!(all, Err(REFUSED.into()), "{name}");
            continue;
        }
        assert_eq!(all, Ok(1), "{name}: exactly its own row");
        let one = arena
            .as_b(&format!("select 1 from {name} where {theirs} and $1::jsonb is not null"), &row)
            .await;
        assert_eq!(one, Ok(0), "{name}");
    }
}

#[tokio::test]
async fn rows_of_another_tenant_cannot_be_changed_deleted_or_taken_over() {
    let arena = Arena::new().await;
    for table in &arena.tables {
        let name = &table.name;
        let (theirs, own) = (is_row(table, &arena.a.1[name]), is_row(table, &arena.b.1[name]));
        let (row, admin) = (Row::new(), arena.database.admin());
        let before = fingerprint(admin, table, arena.a.0).await;

        let columns = writable(&arena, table, "UPDATE").await;
        for column in &columns {
            let touch = format!(
                "update {name} set {column} = default where {theirs} and $1::jsonb is not null"
            );
            assert_eq!(arena.as_b(&touch, &row).await, Ok(0), "{touch}");
        }
        let key = &table.key;
        let give = format!(
            "update {name} set {key} = '{}' where {own} and $1::jsonb is not null",
            arena.a.0
        );
        assert_eq!(arena.as_b(&give, &row).await, Err(REFUSED.into()), "{give}");
        let delete = format!("delete from {name} where {theirs} and $1::jsonb is not null");
        let deleted = arena.as_b(&delete, &row).await;
        let expected =
            if arena.may("crm_app", name, "DELETE").await { Ok(0) } else { Err(REFUSED.into()) };
        assert_eq!(deleted, expected, "{delete}");

        assert_eq!(fingerprint(admin, table, arena.a.0).await, before, "{name}");
    }
}

#[tokio::test]
async fn rows_cannot_be_inserted_for_another_tenant() {
    let arena = Arena::new().await;
    for table in &arena.tables {
        let row = table.row(arena.a.0, &arena.a.1);
        let inserted = arena.as_b(&table.insert(&row), &row).await;
        assert_eq!(inserted, Err(REFUSED.into()), "{}", table.name);
    }
}

#[tokio::test]
async fn rows_cannot_refer_to_those_of_another_tenant() {
    let arena = Arena::new().await;
    let mut probed = 0;
    for table in &arena.tables {
        let insertable = arena.may("crm_app", &table.name, "INSERT").await;
        for column in table.references.iter().flat_map(|reference| &reference.columns) {
            if *column == table.key {
                continue; // see rows_cannot_be_inserted_for_another_tenant
            }
            let mut row = table.row(arena.b.0, &arena.b.1);
            row.insert(column.clone(), arena.a.1[&table.name][column].clone());
            let referred = arena.as_b(&table.insert(&row), &row).await;
            // It has no foreign keys, and a policy that says the same.
            let by_policy = table.name == "webhook_events";
            let expected = if insertable && !by_policy { NO_SUCH_ROW } else { REFUSED };
            assert_eq!(referred, Err(expected.into()), "{}.{column}", table.name);
            probed += 1;
        }
    }
    assert!(probed > 0, "no table refers to another");
}

#[tokio::test]
async fn whatever_another_tenant_has_taken_is_still_free() {
    let arena = Arena::new().await;
    for table in arena.tables.iter().filter(|table| table.name != "tenants") {
        if !arena.may("crm_app", &table.name, "INSERT").await {
            continue;
        }
        let referring: Vec<_> =
            table.references.iter().flat_map(|reference| &reference.columns).collect();
        let mut row = table.row(arena.b.0, &arena.b.1);
        for (column, value) in &arena.a.1[&table.name] {
            if *column != table.key && !referring.contains(&column) {
                // Every world has the same numbers, so that this one's own row has the number already.
                let free = value.as_i64().map_or(value.clone(), |number| (number + 1).into());
                row.insert(column.clone(), free);
            }
        }
        assert_eq!(arena.as_b(&table.insert(&row), &row).await, Ok(1), "{}", table.name);
    }
}

#[tokio::test]
async fn the_outbox_is_insert_only_for_the_api() {
    let arena = Arena::new().await;
    for command in ["SELECT", "UPDATE", "DELETE"] {
        assert!(!arena.may("crm_app", "outbox", command).await, "{command}");
    }
    let outbox = arena.tables.iter().find(|table| table.name == "outbox").unwrap();
    let row = outbox.row(arena.b.0, &arena.b.1);
    assert_eq!(arena.as_b(&outbox.insert(&row), &row).await, Ok(1));
}

#[tokio::test]
async fn without_a_tenant_every_statement_is_an_error() {
    let arena = Arena::new().await;
    for round in ["on a new connection", "on a connection that had a tenant"] {
        for table in &arena.tables {
            let name = &table.name;
            let key = &table.key;
            let row = table.row(arena.b.0, &arena.b.1);
            let statements = [
                format!("select 1 from {name} where $1::jsonb is not null"),
                format!("update {name} set {key} = {key} where $1::jsonb is not null"),
                format!("delete from {name} where $1::jsonb is not null"),
                table.insert(&row),
            ];
            for sql in statements {
                let done = sqlx::query(AssertSqlSafe(sql.clone())).bind(json!(row));
                let done = arena.db.direct(async |conn| done.execute(conn).await).await;
                let code = outcome(done).expect_err(&sql);
                // No right; a tenant that was never named; the empty one that a finished transaction leaves.
                assert!(
                    [REFUSED, "42704", "22P02"].contains(&code.as_str()),
                    "{code} {round}: {sql}"
                );
            }
        }
        arena.db.tenant(arena.b.0, Origin::default()).await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn the_api_cannot_leave_its_role_or_switch_row_security_off() {
    let arena = Arena::new().await;
    for sql in [
        "set role crm_owner",
        "set role crm_search",
        "set role crm_worker",
        "set session authorization postgres",
        "truncate contacts",
        "alter table contacts disable row level security",
        "drop policy tenant_isolation on contacts",
    ] {
        let mut tx = arena.db.tenant(arena.b.0, Origin::default()).await.unwrap();
        let done = sqlx::query(sql).execute(tx.conn()).await;
        assert_eq!(outcome(done), Err(REFUSED.into()), "{sql}");
    }
    let mut tx = arena.db.tenant(arena.b.0, Origin::default()).await.unwrap();
    sqlx::query("set local row_security = off").execute(tx.conn()).await.unwrap();
    let read = sqlx::query("select 1 from contacts").execute(tx.conn()).await;
    assert_eq!(outcome(read), Err(REFUSED.into()), "row_security = off is an error, not a bypass");
}

#[tokio::test]
async fn the_worker_reaches_across_tenants_what_it_delivers_and_sweeps_and_nothing_else() {
    let arena = Arena::new().await;
    let worker = login(&arena.database.worker_url());
    for table in &arena.tables {
        let sql = format!("select 1 from {}", table.name);
        let read =
            worker.direct(async |conn| sqlx::query(AssertSqlSafe(sql)).execute(conn).await).await;
        let read = outcome(read);
        let expected = match table.name.as_str() {
            "outbox" | "webhooks" | "webhook_events" | "webhook_attempts" | "webhook_queue"
            | "webhook_health" | "webhook_outcomes" | "webhook_replays" | "events"
            | "event_logs" | "idempotency_keys" | "imports" | "erasures" => Ok(2),
            // Its policy asks for a tenant, and here is none.
            "contacts" | "companies" | "tenants" | "import_rows" | "import_chunks"
            | "import_contacts" | "audit_log" | "activities" => Err(NO_TENANT.into()),
            _ => Err(REFUSED.into()),
        };
        assert_eq!(read, expected, "{}", table.name);
    }
}

#[tokio::test]
async fn the_worker_sees_kept_answers_of_the_tenant_that_it_works_for_and_what_is_over() {
    let arena = Arena::new().await;
    arena
        .database
        .execute("update idempotency_keys set expires_at = now() + interval '1 hour'")
        .await;
    let worker = login(&arena.database.worker_url());
    let sql = "select 1 from idempotency_keys";
    let anywhere = worker.direct(async |conn| sqlx::query(sql).execute(conn).await).await;
    assert_eq!(outcome(anywhere), Ok(0));
    let mut tx = worker.tenant(arena.b.0, Origin::default()).await.unwrap();
    assert_eq!(outcome(sqlx::query(sql).execute(tx.conn()).await), Ok(1));
    tx.rollback().await.unwrap();
    arena.database.execute("update idempotency_keys set expires_at = now()").await;
    let over = worker.direct(async |conn| sqlx::query(sql).execute(conn).await).await;
    assert_eq!(outcome(over), Ok(2));
}

#[tokio::test]
async fn the_worker_sees_and_writes_records_of_the_tenant_that_it_works_for_only() {
    let arena = Arena::new().await;
    let worker = login(&arena.database.worker_url());
    for (table, column) in [
        ("contacts", "name"),
        ("companies", "name"),
        ("tenants", "id"),
        ("import_rows", "row"),
        ("import_chunks", "first"),
        ("import_contacts", "first"),
        ("audit_log", "after"),
        ("activities", "subject"),
    ] {
        let mut tx = worker.tenant(arena.b.0, Origin::default()).await.unwrap();
        let sql = format!("select {column} from {table}");
        let read = sqlx::query(AssertSqlSafe(sql)).execute(tx.conn()).await;
        assert_eq!(outcome(read), Ok(1), "{table}: exactly the tenant's own");
    }
    let contacts = arena.tables.iter().find(|table| table.name == "contacts").unwrap();
    let row = contacts.row(arena.a.0, &arena.a.1);
    let mut tx = worker.tenant(arena.b.0, Origin::default()).await.unwrap();
    let written =
        sqlx::query(AssertSqlSafe(contacts.insert(&row))).bind(json!(row)).execute(tx.conn()).await;
    assert_eq!(outcome(written), Err(REFUSED.into()));
}
