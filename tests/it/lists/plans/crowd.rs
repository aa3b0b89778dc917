//! Many rows of two tenants in every tenant table that lists read: copies of the generator's row, with other ids, texts
//! and times.

use serde_json::Value;
use shared::id::TenantId;
use tests::kit::{Database, START, until};
use uuid::Uuid;

use crate::isolation::generator::{Column, RESTORABLE, Row, Table, World, plant, tables};

/// Tables with a row or a few for each tenant, whatever the tenant does.
const SMALL: [&str; 1] = ["tenants"];

/// Tables that no list reads, which stay empty to save time.
const UNREAD: [&str; 6] =
    ["event_logs", "events", "idempotency_keys", "outbox", "qr_sessions", "refresh_tokens"];

pub fn is_large(table: &str) -> bool {
    !table.is_empty() && !SMALL.contains(&table)
}

/// Tables with at most one row for each record that they are about: copies are about copies, inside nothing.
const ONE_EACH: [&str; 1] = ["webhook_health"];

/// Whether a plan of this table would say nothing.
pub fn is_left_empty(table: &str) -> bool {
    UNREAD.contains(&table)
}

/// A neighbour's rows for each of the tenant's: where a tenant is half the table, a scan may be the best plan.
const NEIGHBOUR: u32 = 2;

/// Fills the tenant tables for the tenant and for a neighbour; the rows that all copies point to come back.
/// Copies refer to copies, but those of `parents` are all inside the one record.
pub async fn fill(database: &Database, tenant: TenantId, rows: u32, parents: &[&str]) -> World {
    let admin = database.admin();
    let tables = tables(admin).await;
    let neighbour = TenantId(Uuid::from_u128(0xb));
    let world = plant(admin, &tables, tenant).await;
    let theirs = plant(admin, &tables, neighbour).await;
    let filled = |table: &&Table| is_large(&table.name) && !is_left_empty(&table.name);
    for table in tables.iter().filter(filled) {
        // What the plans are made from changes once, below.
        let heap = heap(database, &table.name).await;
        database.execute(&format!("alter table {heap} set (autovacuum_enabled = off)")).await;
        for (world, rows) in [(&world, rows), (&theirs, NEIGHBOUR * rows)] {
            for kind in Kind::of(table) {
                let sql = copies(table, &world[&table.name], rows, parents, *kind);
                // Copies point where their original points: checking that again for each would take most of the time.
                let unchecked =
                    format!("begin; set local session_replication_role = replica; {sql}; commit");
                database.execute(&unchecked).await;
            }
        }
        vacuum(database, &heap).await;
        database.execute(&format!("analyze {}", table.name)).await;
    }
    world
}

/// Where the rows are: made-up ids have no day, so of a table in partitions they are in the one for the rest.
async fn heap(database: &Database, table: &str) -> String {
    let sql = "select coalesce((select partdefid::regclass::text from pg_partitioned_table where partrelid = $1::regclass), $1)";
    sqlx::query_scalar(sql).bind(table).fetch_one(database.admin()).await.unwrap()
}

/// Vacuums until nearly every page is known to be visible to all. A snapshot elsewhere in the database, such as of an
/// autovacuum that analyzes what the migrations have made, keeps a vacuum from knowing it, and PostgreSQL then takes an
/// index alone for dearer than a scan of the table.
async fn vacuum(database: &Database, table: &str) {
    let known = "select relallvisible > 0.9 * relpages from pg_class where oid = $1::regclass";
    let sql = format!("vacuum (analyze) {table}");
    until("the pages are known to be visible", async || {
        database.execute(&sql).await;
        let known = sqlx::query_scalar(known).bind(table).fetch_one(database.admin());
        known.await.unwrap()
    })
    .await;
}

/// What copies are.
#[derive(Clone, Copy)]
enum Kind {
    /// As their original.
    Live,
    /// Deleted since, within the time in which they can be restored.
    Deleted,
}

impl Kind {
    fn of(table: &Table) -> &'static [Self] {
        let restorable = RESTORABLE.contains(&&*table.name);
        if restorable { &[Self::Live, Self::Deleted] } else { &[Self::Live] }
    }
}

/// The statement that copies a row; where there can be one only, it copies nothing.
fn copies(table: &Table, row: &Row, rows: u32, parents: &[&str], kind: Kind) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let value = |column: &Column| match (kind, column.name.as_str()) {
        (Kind::Deleted, "id") => "gen_random_uuid()".to_owned(),
        (Kind::Deleted, "deleted_at") => format!("timestamptz '{START}' - n * interval '1 minute'"),
        // Of no company, whose list steps past its deleted contacts: they follow its name (migration 0008).
        (Kind::Deleted, _) if column.type_name == "uuid" && !column.required => "null".to_owned(),
        _ => varied(table, column, parents),
    };
    let values: Vec<_> = table.columns.iter().map(value).collect();
    let original: Vec<_> = [&table.key, &"id".to_owned()]
        .into_iter()
        .filter_map(|name| Some(format!("{name} = '{}'", row.get(name).and_then(Value::as_str)?)))
        .collect();
    format!(
        "insert into {0} ({1}) select {2} from (select * from {0} where {3} limit 1) r, generate_series(1, {rows}) n
         on conflict do nothing",
        table.name,
        names.join(", "),
        values.join(", "),
        original.join(" and "),
    )
}

/// The column's value in copy `n` of row `r`.
fn varied(table: &Table, column: &Column, parents: &[&str]) -> String {
    let name = &column.name;
    match (column.type_name.as_str(), column.words()) {
        _ if *name == table.key => format!("r.{name}"),
        ("uuid", _) if name == "id" => id(&table.name),
        ("uuid", _) => match referred(table, name) {
            Some(target) if parents.contains(&target) && !ONE_EACH.contains(&&*table.name) => {
                format!("r.{name}")
            }
            Some(target) => id(target),
            None => "gen_random_uuid()".to_owned(),
        },
        ("text", Some(words)) => {
            format!("(array['{}'])[1 + n % {}]", words.join("', '"), words.len())
        }
        // A reason where the state is the fourth, `skipped`.
        ("text", None) if name == "skip_reason" => {
            "case when n % 4 = 3 then 'webhook_inactive' end".to_owned()
        }
        // The api knows its words, though no check of the table says them.
        ("text", None) if name == "trigger" => format!("r.{name}"),
        // Short, because what can be searched is indexed by every three letters.
        ("text", None) if column.check.is_none() => format!("'copy ' || n || ' {name}'"),
        ("timestamp with time zone", _) => format!("r.{name} + n * interval '1 minute'"),
        ("bigint" | "integer" | "numeric", _) if column.check.is_none() => format!("r.{name} + n"),
        _ => format!("r.{name}"),
    }
}

/// The id of copy `n` of the tenant's row in a table, of a day that has no partition: of tens of thousands that begin
/// anyhow, one would be of a day that has, now and then.
fn id(table: &str) -> String {
    format!("overlay(md5('{table}' || r.tenant_id || n) placing 'ffff' from 1)::uuid")
}

/// The table that the column's values are ids of.
fn referred<'t>(table: &'t Table, column: &str) -> Option<&'t str> {
    table.references.iter().find_map(|reference| {
        let at = reference.columns.iter().position(|one| one == column)?;
        (reference.target_columns[at] == "id").then_some(&*reference.target)
    })
}
