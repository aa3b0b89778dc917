//! What `api doctor` looks at beside what must hold at the start: nothing of it keeps a process from serving. Each look
//! is made for itself, so that one that cannot be made hides no other.

use std::fmt;

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::{CREATE, Finding, Process, inspect};
use crate::clock::Clock;
use crate::db::offset::offset;
use crate::db::{DatabaseUrl, Db, WORKER_CONNECTIONS, indexes};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Could not be asked with what is configured.
    Skipped,
    /// It works, and an operator should know.
    Warning,
    /// It does not work, or not safely.
    Fault,
}

/// `ok`, `skipped`, `warning`, `FAULT`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
        })
    }
}

/// What one look found.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub level: Level,
    /// The figures, or what is wrong and what to do about it.
    pub said: String,
}

impl Diagnosis {
    /// Of a look that found this.
    #[must_use]
    pub fn new(what: &'static str, level: Level, said: impl Into<String>) -> Self {
        Self { what, level, said: said.into() }
    }

    fn of(what: &'static str, look: sqlx::Result<Look>) -> Self {
        match look {
            Ok((level, said)) => Self { what, level, said },
            Err(error) => Self::new(what, Level::Fault, format!("could not be looked at: {error}")),
        }
    }
}

impl From<Finding> for Diagnosis {
    fn from(finding: Finding) -> Self {
        match finding.fault {
            None => Self::new(finding.what, Level::Ok, ""),
            Some(fault) => Self::new(finding.what, Level::Fault, fault),
        }
    }
}

type Look = (Level, String);

/// A transaction that is older than this holds vacuum back.
const LONG: TimeDelta = TimeDelta::minutes(10);
/// Clocks may differ by so much; beyond the second, claims of deliveries overlap (docs/operations.md).
const DRIFT: [TimeDelta; 2] = [TimeDelta::seconds(1), TimeDelta::seconds(30)];
/// The oldest due delivery and the oldest event in the outbox may be so old.
const WAITING: [TimeDelta; 2] = [TimeDelta::seconds(60), TimeDelta::seconds(30)];

/// Looks at everything, as the api's login with a pool of so many connections.
///
/// # Errors
/// The database cannot be reached.
pub async fn look(url: &DatabaseUrl, pool: u32, clock: &Clock) -> sqlx::Result<Vec<Diagnosis>> {
    let mut found: Vec<Diagnosis> =
        inspect(url, Process::Api).await?.into_iter().map(Diagnosis::from).collect();
    let mut conn = url.connect().await?;
    let conn = &mut conn;
    found.push(Diagnosis::of("letters", letters(conn).await));
    found.push(Diagnosis::of("roles", roles(conn).await));
    found.push(Diagnosis::of("timeouts", timeouts(conn).await));
    found.push(Diagnosis::of("extensions", extensions(conn).await));
    found.push(Diagnosis::of("indexes", indexes(conn).await));
    found.push(Diagnosis::of("partitions", partitions(conn, clock).await));
    found.push(Diagnosis::of("clock", drift(conn, clock).await));
    found.push(Diagnosis::of("connections", connections(conn, pool).await));
    found.push(Diagnosis::of("durability", durability(conn).await));
    found.push(Diagnosis::of("vacuum", held_back(conn).await));
    Ok(found)
}

/// Whether names are found whatever the case of their letters. It cannot be changed later.
async fn letters(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let folds = "select current_setting('server_encoding') = 'UTF8' and lower('É') = 'é'";
    let folds: bool = sqlx::query_scalar(folds).fetch_one(conn).await?;
    let missed = || {
        let what = "names that are no ASCII are found only in the case they are written in";
        (Level::Warning, format!("{what}: make the database anew with {CREATE}"))
    };
    Ok(if folds { (Level::Ok, String::new()) } else { missed() })
}

/// Looks at what waits, as the owner.
pub async fn waiting(owner: &Db) -> Diagnosis {
    let found = owner.direct(async |conn| {
        sqlx::query_as::<_, (Option<DateTime<Utc>>, Option<DateTime<Utc>>)>(
            "select due, announced from oldest_waiting()",
        )
        .fetch_one(conn)
        .await
    });
    let now = owner.clock().now();
    let look = found.await.map(|(due, announced)| {
        let age = |time: Option<DateTime<Utc>>| time.map_or(TimeDelta::zero(), |time| now - time);
        let ages = [age(due), age(announced)].map(|age| age.max(TimeDelta::zero()));
        let [due, announced] = ages.map(|age| age.num_seconds());
        let said = format!("oldest due delivery {due} s, oldest event in the outbox {announced} s");
        if ages.iter().zip(WAITING).any(|(age, most)| *age > most) {
            (Level::Warning, format!("{said}: are workers running, and enough of them?"))
        } else {
            (Level::Ok, said)
        }
    });
    Diagnosis::of("queue", look)
}

fn verdict(
    faults: impl IntoIterator<Item = String>,
    level: Level,
    fine: impl Into<String>,
) -> Look {
    let faults: Vec<String> = faults.into_iter().collect();
    if faults.is_empty() { (Level::Ok, fine.into()) } else { (level, faults.join("; ")) }
}

async fn roles(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let faults: Vec<String> = sqlx::query_scalar(
        "select format('%s %s', wanted, case
             when r.oid is null then 'is missing'
             when r.rolsuper then 'is a superuser'
             when r.rolbypassrls then 'has BYPASSRLS'
             when r.rolcreaterole or r.rolcreatedb or r.rolreplication then 'may create or replicate'
             when r.rolcanlogin <> (wanted in ('crm_app', 'crm_worker')) then
                 case when r.rolcanlogin then 'may log in' else 'may not log in' end
             when wanted = 'crm_worker' and not has_table_privilege(r.oid, to_regclass('outbox'), 'delete')
                 then 'has not the rights of a worker' end)
         from unnest(array['crm_owner', 'crm_app', 'crm_worker', 'crm_auth', 'crm_search']) wanted
         left join pg_roles r on r.rolname = wanted
         where r.oid is null or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
            or r.rolcanlogin <> (wanted in ('crm_app', 'crm_worker'))
            or wanted = 'crm_worker' and not has_table_privilege(r.oid, to_regclass('outbox'), 'delete')",
    )
    .fetch_all(conn)
    .await?;
    let advice = faults.into_iter().map(|fault| format!("{fault}: run deploy/roles.sql"));
    Ok(verdict(advice, Level::Fault, "five, without powers"))
}

async fn timeouts(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let unset: Vec<String> = sqlx::query_scalar(
        "select name from unnest(array['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) name
         where current_setting(name) in ('0', '0ms')",
    )
    .fetch_all(conn)
    .await?;
    let faults = unset.iter().map(|name| format!("{name} is off: run deploy/roles.sql"));
    Ok(verdict(faults, Level::Warning, "set"))
}

async fn extensions(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let missing: Vec<String> = sqlx::query_scalar(
        "select name from unnest(array['pg_trgm', 'btree_gin']) name
         where not exists (select from pg_extension e where e.extname = name)",
    )
    .fetch_all(conn)
    .await?;
    let faults = missing.iter().map(|name| format!("create extension {name}"));
    Ok(verdict(faults, Level::Fault, "pg_trgm, btree_gin"))
}

async fn indexes(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let known: Vec<String> =
        sqlx::query_scalar("select indexname::text from pg_indexes where schemaname = 'public'")
            .fetch_all(&mut *conn)
            .await?;
    let (wanted, invalid) = (indexes::wanted(), indexes::invalid(conn).await?);
    let missing = wanted.iter().filter(|name| !known.contains(name));
    let faults = missing
        .map(|name| format!("{name} is missing: create it as its migration does"))
        .chain(invalid.iter().map(|name| {
            let mend = if indexes::leftover_of(name).is_some() { "drop" } else { "reindex" };
            format!("{name} is invalid: {mend} index concurrently {name}")
        }));
    Ok(verdict(faults, Level::Fault, format!("{}, all valid", wanted.len())))
}

async fn partitions(conn: &mut PgConnection, clock: &Clock) -> sqlx::Result<Look> {
    let today = clock.now().date_naive();
    let days: Vec<String> = (0..3)
        .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
        .map(|day| day.format("%Y%m%d").to_string())
        .collect();
    let missing: Vec<String> = sqlx::query_scalar(
        "select parent || '_' || day from unnest(array['events', 'webhook_events', 'webhook_attempts']) parent
         cross join unnest($1::text[]) day where to_regclass(format('public.%s_%s', parent, day)) is null",
    )
    .bind(&days)
    .fetch_all(conn)
    .await?;
    let fault = || {
        format!("no {}: workers make them three days ahead; is one running?", missing.join(", "))
    };
    Ok(verdict(
        (!missing.is_empty()).then(fault),
        Level::Warning,
        format!("made up to {}", days.last().map_or("", |day| day)),
    ))
}

async fn drift(conn: &mut PgConnection, clock: &Clock) -> sqlx::Result<Look> {
    let (ahead, took) = offset(conn, clock).await?;
    let apart = ahead.abs();
    let slack = took / 2 + TimeDelta::milliseconds(1);
    let said = format!("{} ms apart from the database's", apart.num_milliseconds());
    Ok(match apart - slack {
        far if far > DRIFT[1] => (Level::Fault, format!("{said}: run NTP on both")),
        some if some > DRIFT[0] => (Level::Warning, format!("{said}: run NTP on both")),
        _ => (Level::Ok, said),
    })
}

async fn connections(conn: &mut PgConnection, pool: u32) -> sqlx::Result<Look> {
    let (most, used): (i64, i64) = sqlx::query_as(
        "select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
                (select count(*) from pg_stat_activity where backend_type = 'client backend')",
    )
    .fetch_one(conn)
    .await?;
    let wanted = i64::from(pool) + i64::from(WORKER_CONNECTIONS + 1);
    let said = format!("{used} of {most} taken; one api and one worker take up to {wanted}");
    let scarce = wanted > most || used * 10 > most * 8;
    let advice = format!("{said}: raise max_connections, or lower DATABASE_CONNECTIONS");
    Ok(if scarce { (Level::Warning, advice) } else { (Level::Ok, said) })
}

async fn durability(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let settings: Vec<(String, String)> = sqlx::query_as(
        "select name, current_setting(name)
         from unnest(array['fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum']) name
         where current_setting(name) = 'off'",
    )
    .fetch_all(conn)
    .await?;
    let faults = settings.iter().map(|(name, value)| match name.as_str() {
        "autovacuum" => format!("{name} is {value}: tables will only grow"),
        _ => format!("{name} is {value}: a crash can lose what was answered"),
    });
    Ok(verdict(faults, Level::Warning, "fsync, full_page_writes, synchronous_commit, autovacuum"))
}

async fn held_back(conn: &mut PgConnection) -> sqlx::Result<Look> {
    let held: Vec<String> = sqlx::query_scalar(
        "select format('replication slot %s is not in use: drop it, or start its reader', slot_name)
         from pg_replication_slots where not active
         union all
         select format('prepared transaction %s has been open since %s', gid, prepared)
         from pg_prepared_xacts where prepared < clock_timestamp() - make_interval(secs => $1)
         union all
         select format('session %s of %s has been in a transaction since %s', pid, usename, xact_start)
         from pg_stat_activity where xact_start < clock_timestamp() - make_interval(secs => $1)
           and backend_type = 'client backend'",
    )
    .bind(LONG.as_seconds_f64())
    .fetch_all(conn)
    .await?;
    Ok(verdict(held, Level::Warning, "nothing that this login sees holds it back"))
}
