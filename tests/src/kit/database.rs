//! One database per test: a copy of a template that is migrated once per cluster.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest as _, Sha256};
use shared::Clock;
use shared::db::migrate::{MIGRATOR, migrate};
use shared::settings::Value;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

use super::{hex, until};

/// Session lock of whoever prepares the cluster; any number that nobody else uses.
const PREPARING: i64 = 0x006c_6961_6973_6f6e;

/// One test's own database; it is dropped with this.
pub struct Database {
    name: String,
    admin: PgPool,
    wire: Option<SocketAddr>,
}

impl Database {
    /// A database with all migrations and no rows.
    pub async fn migrated() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(prepare_cluster).await;
        Self::copy_of(template).await
    }

    /// A database with nothing in it, for tests of the migrations themselves.
    pub async fn empty() -> Self {
        Self::copy_of("template0").await
    }

    /// A database with nothing in it, of this encoding and locale.
    pub async fn of_text(encoding: &str, locale: &str) -> Self {
        Self::copy_of(&format!("template0 encoding '{encoding}' locale '{locale}'")).await
    }

    async fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t_{}_{number}", std::process::id());
        let mut session = cluster_session().await;
        let sql = format!("create database {name} template {template}");
        // Two copies at once can get in each other's way.
        let mut patience = 50;
        while let Err(error) = sqlx::raw_sql(AssertSqlSafe(&*sql)).execute(&mut session).await {
            let in_use =
                error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55006"));
            assert!(in_use && patience > 0, "{sql}: {error}");
            patience -= 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        session.close().await.unwrap();
        let url = url_of(&name, None);
        let admin = PgPoolOptions::new().max_connections(4).connect_lazy(url.as_str()).unwrap();
        Self { name, admin, wire: None }
    }

    /// The same, only that the product reaches it by way of this address, where somebody listens to what they say.
    #[must_use]
    pub fn by_way_of(mut self, wire: SocketAddr) -> Self {
        self.wire = Some(wire);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address for the api's login.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.product_url("crm_app")
    }

    /// Its address for the worker's login.
    #[must_use]
    pub fn worker_url(&self) -> String {
        self.product_url("crm_worker")
    }

    fn product_url(&self, login: &str) -> String {
        let mut url = url_of(&self.name, Some(login));
        if let Some(wire) = self.wire {
            url.set_ip_host(wire.ip()).expect("TEST_DATABASE_URL names a host");
            url.set_port(Some(wire.port())).expect("TEST_DATABASE_URL names a host");
            // Who listens must be able to read.
            url.query_pairs_mut().append_pair("sslmode", "disable");
        }
        url.into()
    }

    /// Its address for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        url_of(&self.name, None).into()
    }

    /// The superuser's view of it, past every policy: for looking at what the product did.
    #[must_use]
    pub fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, sql: &str) {
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.admin).await {
            panic!("{sql}: {error}");
        }
    }

    /// Lets the product's later connections wait for locks as long as a test likes, in place of their few seconds.
    pub async fn without_timeouts(&self) {
        for role in ["crm_app", "crm_worker"] {
            let role = format!("alter role {role} in database {}", self.name);
            for setting in
                ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"]
            {
                self.execute(&format!("{role} set {setting} = 0")).await;
            }
        }
    }

    /// A login with these attributes; it shares everybody's password.
    pub async fn login(&self, attributes: &str) -> Login {
        let name = format!("login_of_{}", self.name);
        let url = url_of(&self.name, Some(&name));
        let password = url.password().unwrap_or_default();
        let sql = format!("create role {name} login {attributes} password '{password}'");
        self.execute(&sql).await;
        Login { name, url: url.into(), admin_url: self.admin_url() }
    }

    /// Runs statements in a transaction of the superuser's and keeps its locks until it is released.
    pub async fn hold(&self, sql: &str) -> Hold {
        Hold::of(&self.admin_url(), sql).await
    }

    /// Waits until so many sessions wait for locks.
    pub async fn waiting(&self, sessions: i64) {
        let count = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        until(&format!("{sessions} sessions wait"), async || {
            let waiting: i64 = sqlx::query_scalar(count).fetch_one(&self.admin).await.unwrap();
            waiting >= sessions
        })
        .await;
    }
}

/// Locks of the superuser's.
pub struct Hold(PgConnection);

impl Hold {
    /// Runs statements in the same transaction.
    pub async fn execute(&mut self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
    }

    pub(super) async fn of(admin_url: &str, sql: &str) -> Self {
        let mut session = PgConnection::connect(admin_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("begin; {sql}"))).execute(&mut session).await.unwrap();
        Self(session)
    }

    /// Lets them go.
    pub async fn release(self) {
        self.end("rollback").await;
    }

    /// Lets them go, and what was done stays.
    pub async fn commit(self) {
        self.end("commit").await;
    }

    async fn end(mut self, how: &'static str) {
        sqlx::raw_sql(how).execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// A login of one test's own, because logins belong to the whole cluster; it is dropped with this, and with it what
/// it owns.
pub struct Login {
    /// Its name.
    pub name: String,
    /// The database's address for it.
    pub url: String,
    admin_url: String,
}

impl Drop for Login {
    fn drop(&mut self) {
        let sql = format!("drop owned by {0} cascade; drop role {0}", self.name);
        let dropped = aside(self.admin_url.clone(), sql).join();
        // What else has failed is said, and not this.
        if !std::thread::panicking() {
            dropped.unwrap().unwrap();
        }
    }
}

impl Drop for Database {
    /// In the background: a database is some megabytes, and there is one for every test. What is left goes with the
    /// cluster, or before the next run on it.
    fn drop(&mut self) {
        let sql = format!("drop database {} with (force)", self.name);
        aside(cluster_url().to_string(), sql);
    }
}

/// Runs statements as the superuser on a thread of their own: a drop cannot wait in the runtime of its test.
fn aside(admin_url: String, sql: String) -> JoinHandle<sqlx::Result<()>> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut session = PgConnection::connect(&admin_url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await?;
            session.close().await
        })
    })
}

/// Where `with-servers` put the cluster.
fn cluster_url() -> &'static Url {
    static URL: OnceLock<Url> = OnceLock::new();
    URL.get_or_init(|| {
        let url = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
        assert!(!url.is_empty(), "no TEST_DATABASE_URL: run through `make test` (or with-servers)");
        url.parse().expect("TEST_DATABASE_URL is a URL")
    })
}

async fn cluster_session() -> PgConnection {
    PgConnection::connect(cluster_url().as_str()).await.expect("the test cluster answers")
}

/// All logins share the superuser's password, so that test processes beside each other agree on it.
fn url_of(database: &str, login: Option<&str>) -> Url {
    let mut url = cluster_url().clone();
    url.set_path(database);
    if let Some(login) = login {
        url.set_username(login).expect("TEST_DATABASE_URL names a host");
    }
    url
}

/// Makes the template, unless another test process did; its name tells which migrations it has.
async fn prepare_cluster() -> String {
    let checksums = MIGRATOR.iter().map(|migration| &*migration.checksum);
    let today = Clock::system().now().date_naive();
    let template = template_name(checksums, today);
    let mut session = cluster_session().await;
    // Held until the session ends, however it ends.
    sqlx::query("select pg_advisory_lock($1)").bind(PREPARING).execute(&mut session).await.unwrap();
    drop_leftovers(&mut session, today).await;
    let ready: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&template)
            .fetch_one(&mut session)
            .await
            .unwrap();
    if !ready {
        make_template(&mut session, &template).await;
    }
    session.close().await.unwrap();
    template
}

/// Another one as soon as any migration is another one, and on each day: it has the partitions of its day.
fn template_name<'a>(checksums: impl Iterator<Item = &'a [u8]>, day: NaiveDate) -> String {
    let all = checksums.fold(Sha256::new(), Sha256::chain_update);
    format!("template_{}_{}", hex(&all.finalize()[..8]), day.format("%Y%m%d"))
}

/// Drops what the last tests of an earlier run had no time to: databases that nobody uses, of processes that are gone.
/// And the templates of days before yesterday; who began yesterday may still copy that day's.
async fn drop_leftovers(session: &mut PgConnection, today: NaiveDate) {
    let sql = "select datname::text from pg_database d
               where datname ~ '^(t_[0-9]+|template_[0-9a-f]{16})_[0-9]+$'
               and not exists (select from pg_stat_activity a where a.datid = d.oid)";
    let unused: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *session).await.unwrap();
    for name in unused.iter().filter(|name| !is_needed(name, today)) {
        let sql = format!("drop database if exists {name}");
        // Somebody may look into it: then it is for the next run.
        let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await;
    }
}

/// Whether somebody may still want a database of this name.
fn is_needed(name: &str, today: NaiveDate) -> bool {
    if !name.starts_with("template_") {
        return owner_lives(name);
    }
    let day = name.rsplit('_').next().unwrap_or_default();
    NaiveDate::parse_from_str(day, "%Y%m%d").is_ok_and(|day| day + TimeDelta::days(1) >= today)
}

/// Whether the process that a database is named after still runs.
fn owner_lives(name: &str) -> bool {
    let pid = name.split('_').nth(1).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Under another name first, so that whoever finds the template finds it whole.
async fn make_template(session: &mut PgConnection, template: &str) {
    for sql in
        ["drop database if exists unfinished_template", "create database unfinished_template"]
    {
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    migrate(&Value::parse(url_of("unfinished_template", None).as_str()).unwrap())
        .await
        .expect("the migrations run");
    let password = cluster_url().password().unwrap_or_default();
    for sql in [
        format!("alter role crm_app password '{password}'"),
        format!("alter role crm_worker password '{password}'"),
        format!("alter database unfinished_template rename to {template}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{Database, MIGRATOR, cluster_session, drop_leftovers, is_needed, template_name};

    /// A long time ago, so that no template of a run beside this one is too old.
    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2001, 3, 1).unwrap();

    #[test]
    fn a_change_of_any_migration_and_another_day_need_another_template() {
        let mut checksums: Vec<_> = MIGRATOR.iter().map(|one| one.checksum.to_vec()).collect();
        let name = |checksums: &[Vec<u8>]| template_name(checksums.iter().map(|one| &**one), TODAY);
        let before = name(&checksums);
        assert_eq!((&before[25..], &before), ("_20010301", &name(&checksums)));
        let all = checksums.iter().map(|one| &**one);
        assert_ne!(template_name(all, TODAY.succ_opt().unwrap()), before);
        for at in 0..checksums.len() {
            checksums[at][0] ^= 1;
            assert_ne!(name(&checksums), before, "the migration at {at}");
            checksums[at][0] ^= 1;
        }
    }

    #[test]
    fn a_template_stays_for_those_who_began_before_midnight_and_no_longer() {
        for (day, needed) in [("0302", true), ("0301", true), ("0228", true), ("0227", false)] {
            let name = format!("template_0123456789abcdef_2001{day}");
            assert_eq!(is_needed(&name, TODAY), needed, "{day}");
        }
    }

    #[tokio::test]
    async fn what_a_run_left_behind_is_dropped_and_what_a_running_one_uses_is_not() {
        let ours = Database::empty().await;
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let left = format!("t_{}_0", ended.id());
        let old = format!("template_{:016x}_20010227", ended.id());
        let mut session = cluster_session().await;
        for name in [&left, &old] {
            ours.execute(&format!("create database {name}")).await;
        }
        ours.admin().close().await;
        drop_leftovers(&mut session, TODAY).await;
        let there = "select datname::text from pg_database where datname = any($1)";
        let there: Vec<String> = sqlx::query_scalar(there)
            .bind([ours.name(), &left, &old])
            .fetch_all(&mut session)
            .await
            .unwrap();
        assert_eq!(there, [ours.name()]);
    }
}
