//! What must hold before a process serves: a database new enough and migrated, a login that row-level security
//! binds, and every tenant table shut. `api doctor` looks at the same and at more: [`doctor`].

pub mod doctor;

use std::fmt;

use sqlx::PgConnection;

use super::DatabaseUrl;
use super::is_read_only;
use super::migrate::MIGRATOR;

/// Who wants to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The api, which logs in as `crm_app`.
    Api,
    /// The worker, which logs in as `crm_worker`.
    Worker,
}

/// One thing that must hold, and whether it does.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// Why it does not hold, with what to do about it.
    pub fault: Option<String>,
}

/// The process must not serve.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Something that must hold does not.
    #[error("refusing to start:\n{0}")]
    Unsafe(Faults),
    /// The database could not be asked.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[from] sqlx::Error),
}

/// The findings that have a fault.
#[derive(Debug)]
pub struct Faults(pub Vec<Finding>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults =
            self.0.iter().filter_map(|finding| Some((finding.what, finding.fault.as_ref()?)));
        for (at, (what, fault)) in faults.enumerate() {
            write!(f, "{}  - {what}: {fault}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Passes when everything holds.
///
/// # Errors
/// [`Refusal`].
pub async fn require(url: &DatabaseUrl, process: Process) -> Result<(), Refusal> {
    let findings = inspect(url, process).await?;
    if findings.iter().any(|finding| finding.fault.is_some()) {
        return Err(Refusal::Unsafe(Faults(findings)));
    }
    Ok(())
}

/// Looks at everything, in the order in which one would repair it.
///
/// # Errors
/// The database cannot be reached.
pub async fn inspect(url: &DatabaseUrl, process: Process) -> sqlx::Result<Vec<Finding>> {
    let mut conn = url.connect().await?;
    let conn = &mut conn;
    let mut findings =
        vec![version(conn).await?, changes(conn).await?, encoding(conn).await?, role(conn).await?];
    let migrations = migrations(conn).await?;
    let migrated = migrations.fault.is_none();
    findings.push(migrations);
    if migrated {
        findings.push(tables(conn).await?);
        findings.push(rights(conn, process).await?);
    }
    Ok(findings)
}

/// How a database for it is made. The template's own encoding and locale would be the cluster's.
pub(super) const CREATE: &str = "createdb -T template0 -E UTF8 --locale=C.UTF-8";

async fn version(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let number: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(conn)
        .await?;
    let fault = (number < 150_000).then(|| {
        format!("PostgreSQL 15 or newer is needed, this is {}.{}", number / 10_000, number % 10_000)
    });
    Ok(Finding { what: "PostgreSQL version", fault })
}

async fn changes(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let fault = is_read_only(conn)
        .await?
        .then(|| "it is a standby, or read-only: connect to the primary".to_owned());
    Ok(Finding { what: "takes changes", fault })
}

/// Names are of any script. `SQL_ASCII` keeps whatever bytes it is given.
async fn encoding(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let encoding: String =
        sqlx::query_scalar("select current_setting('server_encoding')").fetch_one(conn).await?;
    let holds = ["UTF8", "SQL_ASCII"].contains(&&*encoding);
    let fault = (!holds)
        .then(|| format!("{encoding} does not have every letter: make it anew with {CREATE}"));
    Ok(Finding { what: "encoding", fault })
}

async fn role(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let (name, powers): (String, Vec<String>) = sqlx::query_as(
        "select r.rolname::text, array_remove(array[
            case when r.rolsuper then 'is a superuser' end,
            case when r.rolbypassrls then 'has BYPASSRLS' end,
            case when r.rolcreaterole then 'may create roles' end,
            case when r.rolreplication then 'may replicate' end,
            case when exists (select from pg_auth_members m where m.member = r.oid) then 'is a member of another role' end,
            case when exists (select from pg_class c where c.relowner = r.oid) then 'owns tables' end,
            case when current_setting('row_security') <> 'on' then 'has row_security switched off' end], null)
         from pg_roles r where r.rolname = current_user",
    )
    .fetch_one(conn)
    .await?;
    let fault = (!powers.is_empty()).then(|| {
        format!("{name} {}; connect as crm_app (api) or crm_worker (worker)", powers.join(", "))
    });
    Ok(Finding { what: "database login", fault })
}

async fn migrations(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let what = "migrations";
    let readable: Option<bool> =
        sqlx::query_scalar("select has_table_privilege(to_regclass('_sqlx_migrations'), 'select')")
            .fetch_one(&mut *conn)
            .await?;
    let unreadable = match readable {
        None => Some("none has run: run `api migrate`"),
        Some(false) => Some("this login may not even see which have run"),
        Some(true) => None,
    };
    if let Some(fault) = unreadable {
        return Ok(Finding { what, fault: Some(fault.into()) });
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success")
            .fetch_all(conn)
            .await?;
    let missing: Vec<String> = MIGRATOR
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect();
    let fault = (!missing.is_empty())
        .then(|| format!("not applied: {}; run `api migrate`", missing.join(", ")));
    Ok(Finding { what, fault })
}

async fn tables(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname = 'public'
           and not (c.relrowsecurity and c.relforcerowsecurity)
           and (c.relname = 'tenants' or exists (
               select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))
         order by 1",
    )
    .fetch_all(conn)
    .await?;
    let fault = (!open.is_empty()).then(|| {
        format!(
            "without forced row-level security: {}; tenants would see each other",
            open.join(", ")
        )
    });
    Ok(Finding { what: "tenant tables", fault })
}

/// Each process has a login of its own: the other's would start and then fail at everything it does.
async fn rights(conn: &mut PgConnection, process: Process) -> sqlx::Result<Finding> {
    let (login, table, right) = match process {
        Process::Api => ("crm_app", "leads", "insert"),
        Process::Worker => ("crm_worker", "outbox", "delete"),
    };
    let held: bool = sqlx::query_scalar("select has_table_privilege($1, $2)")
        .bind(table)
        .bind(right)
        .fetch_one(conn)
        .await?;
    let fault = (!held).then(|| format!("no right to {right} in {table}; connect as {login}"));
    Ok(Finding { what: "rights", fault })
}
