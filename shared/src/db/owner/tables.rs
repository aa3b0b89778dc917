//! A tenant's rows, table by table, from the catalogue: a table that a later migration brings is not forgotten.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use crate::db::TenantTx;

/// A table whose rows belong to tenants. All names are quoted already where they must be.
#[derive(Clone, Debug, FromRow)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The columns of its primary key.
    pub(super) keys: Vec<String>,
    /// The columns that this login may read and that are no bytes (hashes, sealed secrets) and not generated.
    columns: Vec<String>,
    /// The tables that it refers to.
    referred: Vec<String>,
}

impl Table {
    /// Whether this login may read anything of it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.columns.is_empty()
    }
}

/// How many rows of a table are a tenant's.
pub type Counted = (Table, u64);

/// Every table with tenants' rows but `tenants` itself, those that refer before those that are referred to; the outbox
/// before all, because everything else follows from it.
///
/// # Errors
/// The database's.
pub async fn tables(conn: &mut PgConnection) -> sqlx::Result<Vec<Table>> {
    let mut left: Vec<Table> = sqlx::query_as(
        "select format('%I', c.relname) as name,
                array(select format('%I', a.attname) from pg_index i cross join unnest(i.indkey::int2[]) with ordinality k (num, place)
                      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num
                      where i.indrelid = c.oid and i.indisprimary order by k.place) as keys,
                array(select format('%I', a.attname) from pg_attribute a
                      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                        and a.atttypid <> 'bytea'::regtype and has_column_privilege(c.oid, a.attnum, 'select')
                      order by a.attnum) as columns,
                array(select distinct format('%I', r.relname) from pg_constraint k join pg_class r on r.oid = k.confrelid
                      where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as referred
         from pg_class c join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped
         where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
         order by c.relname <> 'outbox', c.relname <> 'webhook_queue', c.relname",
    )
    .fetch_all(conn)
    .await?;
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |one: &Table| left.iter().all(|other| !other.referred.contains(&one.name));
        // In a circle of references any order is as good as another: the batches go round until nothing is left.
        let next = left.iter().position(free).unwrap_or_default();
        ordered.push(left.remove(next));
    }
    Ok(ordered)
}

/// How many rows the transaction's tenant has in each table.
///
/// # Errors
/// The database's.
pub async fn count(tx: &mut TenantTx, tables: &[Table]) -> sqlx::Result<Vec<Counted>> {
    let tenant = tx.tenant();
    let mut counted = Vec::new();
    for table in tables {
        let sql = format!("select count(*) from {} where tenant_id = $1", table.name);
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant.0).fetch_one(tx.conn()).await?;
        counted.push((table.clone(), rows.unsigned_abs()));
    }
    Ok(counted)
}

/// Deletes up to so many rows of the transaction's tenant.
pub(super) async fn delete(tx: &mut TenantTx, table: &Table, most: i64) -> sqlx::Result<u64> {
    let (tenant, name, keys) = (tx.tenant(), &table.name, table.keys.join(", "));
    let sql = format!(
        "delete from {name} where tenant_id = $1
         and ({keys}) in (select {keys} from {name} where tenant_id = $1 limit $2)"
    );
    let done = sqlx::query(AssertSqlSafe(sql)).bind(tenant.0).bind(most).execute(tx.conn()).await?;
    Ok(done.rows_affected())
}

/// Takes what was deleted out of the indexes. Without, each row of a table that others refer to would be looked for
/// among all the dead ones of those.
pub(super) async fn vacuum(conn: &mut PgConnection, table: &Table) -> sqlx::Result<()> {
    let sql = format!("vacuum (index_cleanup on, truncate off) {}", table.name);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(|_| ())
}

/// The tenant's own row as JSON text.
///
/// # Errors
/// The database's.
pub async fn tenant_row(tx: &mut TenantTx) -> sqlx::Result<String> {
    let tenant = tx.tenant();
    sqlx::query_scalar("select row_to_json(t)::text from tenants t where id = $1")
        .bind(tenant.0)
        .fetch_one(tx.conn())
        .await
}

/// Hands every row of the tenant in a table over as JSON text, in the order of its key and without holding more than
/// one. Returns how many there were.
///
/// # Errors
/// The database's, and those of `take`.
pub async fn export(
    tx: &mut TenantTx,
    table: &Table,
    mut take: impl FnMut(&str) -> std::io::Result<()>,
) -> sqlx::Result<u64> {
    let (tenant, columns) = (tx.tenant(), table.columns.join(", "));
    let keys: Vec<_> =
        table.keys.iter().filter(|key| table.columns.contains(key)).cloned().collect();
    let order =
        if keys.is_empty() { String::new() } else { format!("order by {}", keys.join(", ")) };
    let sql = format!(
        "select row_to_json(r)::text from (select {columns} from {} where tenant_id = $1 {order}) r",
        table.name
    );
    let mut rows =
        sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).bind(tenant.0).fetch(tx.conn());
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        take(&row)?;
        count += 1;
    }
    Ok(count)
}
