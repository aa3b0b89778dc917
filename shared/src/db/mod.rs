//! The database: [`TenantTx`] sees one tenant's rows; [`SystemTx`] and single statements by [`Db::direct`] see all
//! tenants'.

pub mod check;
pub mod creation;
pub mod fault;
mod guarded;
mod indexes;
mod lookup;
pub mod migrate;
mod offset;
pub mod owner;
mod pool;
mod reading;
pub mod step;
mod system;
mod tx;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow};
use sqlx::{Connection as _, PgConnection};

use crate::clock::Clock;
use crate::id::TenantId;
use crate::outbox::Bell;
use crate::settings::Value;
use pool::{Pool, TIMEOUT};
pub use reading::Reading;
pub use system::SystemTx;
pub use tx::{Origin, Savepoint, TenantTx};

/// A database that takes longer to answer is not ready.
const READY: Duration = Duration::from_secs(2);

/// Connections of a worker, for the relay, the claims, the records and housekeeping, and for what comes and goes:
/// imports, replays, erasures, health, retention. It listens on one more.
pub const WORKER_CONNECTIONS: u32 = 12;

/// A value as the text of a column that holds JSON.
pub(crate) fn json(value: &impl Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A handle on the pool; cheap to clone. The pool itself is private on purpose.
#[derive(Clone)]
pub struct Db {
    pool: Pool,
    /// For the one connection that listens, which sqlx makes again by itself when it breaks.
    options: Arc<PgConnectOptions>,
    bell: Bell,
    clock: Clock,
}

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct DbConfig {
    /// Where it is and who we are there.
    pub url: DatabaseUrl,
    /// Most connections in the pool.
    pub connections: u32,
    /// Shown in `pg_stat_activity`.
    pub application: &'static str,
    /// Settings of every connection.
    pub settings: &'static [(&'static str, &'static str)],
}

/// `postgres://user:password@host:port/database`; its `Debug` shows nothing.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Value for DatabaseUrl {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.starts_with("postgres://") || text.starts_with("postgresql://");
        match PgConnectOptions::from_str(text) {
            Ok(options) if scheme => Ok(Self(options)),
            _ => Err("write postgres://user:password@host:port/database".into()),
        }
    }
}

impl DatabaseUrl {
    /// One connection outside any pool, for work before or beside serving. It says why it cannot be made, which a
    /// pool does not.
    ///
    /// # Errors
    /// The server's or the network's; a server that does not answer within five seconds.
    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        step::in_time(TIMEOUT, PgConnection::connect_with(&self.0)).await
    }
}

impl Db {
    /// Prepares a pool; the first connection is made when it is needed.
    #[must_use]
    pub fn new(config: &DbConfig, clock: Clock) -> Self {
        let options = config
            .url
            .0
            .clone()
            .application_name(config.application)
            .options(config.settings.iter().copied())
            // PostgreSQL's own log names slow statements (`log_min_duration_statement`); ours would repeat their whole
            // text for each request of a stall.
            .log_slow_statements(tracing_log::log::LevelFilter::Off, Duration::ZERO);
        let pool = Pool::new(options.clone(), config.connections);
        Self { pool, options: Arc::new(options), bell: Bell::default(), clock }
    }

    /// Hears the bell at this address, where the other one leads through a pooler: one that lends connections by
    /// transaction lets nobody `LISTEN`.
    #[must_use]
    pub fn hearing_at(mut self, direct: Option<&DatabaseUrl>) -> Self {
        if let Some(url) = direct {
            let name = self.options.get_application_name().unwrap_or_default().to_owned();
            self.options = Arc::new(url.0.clone().application_name(&name));
        }
        self
    }

    /// Begins a transaction that sees and writes one tenant's rows only.
    ///
    /// # Errors
    /// The database cannot be reached, or has no free connection within five seconds.
    pub async fn tenant(&self, tenant: TenantId, origin: Origin) -> sqlx::Result<TenantTx> {
        TenantTx::begin(self, tenant, origin).await
    }

    /// The same for what is most likely one [`TenantTx::create`] and nothing else: whatever else is to be done in it
    /// comes behind [`TenantTx::open`].
    ///
    /// # Errors
    /// As for [`Db::tenant`].
    pub async fn tenant_unbegun(&self, tenant: TenantId, origin: Origin) -> sqlx::Result<TenantTx> {
        TenantTx::unbegun(self, tenant, origin).await
    }

    /// Begins a transaction with no tenant: for the relay, the queue and the sweeps.
    ///
    /// # Errors
    /// As for [`Db::tenant`].
    pub async fn system(&self) -> sqlx::Result<SystemTx> {
        Ok(SystemTx::begin(&self.pool, None).await?.0)
    }

    /// The same, with a statement in the message that begins it, and what that answered. Later ones of the transaction
    /// see what it did, and everything that was committed before it ended.
    ///
    /// # Errors
    /// As for [`Db::tenant`], and the statement's.
    pub async fn system_asking(&self, question: &str) -> sqlx::Result<(SystemTx, Vec<PgRow>)> {
        SystemTx::begin(&self.pool, Some(question)).await
    }

    /// Runs one statement outside any transaction: definer functions, health checks, and what a worker does in one. For
    /// the api's login tenant tables raise here, because no tenant is set.
    ///
    /// # Errors
    /// The statement's, and as for [`Db::tenant`].
    pub async fn direct<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let mut one = self.reading().await?;
        let answer = step::in_time(step::STEP, statement(one.reader())).await;
        one.end(answer)
    }

    /// A connection for one statement that reads; see [`ask!`](crate::ask).
    ///
    /// # Errors
    /// As for [`Db::tenant`].
    pub async fn reading(&self) -> sqlx::Result<Reading> {
        Reading::begin(&self.pool).await
    }

    /// Carries the bell's rings to the workers until `stop`; see [`Bell`].
    pub async fn carry_bell(&self, stop: tokio_util::sync::CancellationToken) {
        self.bell.carry(self, stop).await;
    }

    /// Hears the bell in a worker process.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn listen(&self) -> sqlx::Result<PgListener> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(TIMEOUT)
            .connect_lazy_with((*self.options).clone());
        let mut listener = PgListener::connect_with(&one).await?;
        listener.listen(crate::outbox::CHANNEL).await?;
        Ok(listener)
    }

    /// Whether the database serves: what `/readyz` asks. One that lets others end their work within two seconds does,
    /// though there is no connection free to ask it.
    ///
    /// # Errors
    /// Why not.
    pub async fn serves(&self) -> Result<(), &'static str> {
        let ended = self.pool.given_back();
        let probe = self.direct(async |conn| is_read_only(conn).await);
        match tokio::time::timeout(READY, probe).await {
            Ok(Ok(false)) => Ok(()),
            Ok(Ok(true)) => Err("the database takes no changes: it is a standby, or read-only"),
            Err(_) if self.pool.given_back() != ended => Ok(()),
            Ok(Err(_)) | Err(_) => Err("the database cannot be reached"),
        }
    }

    /// Sets the gauges of the pool.
    pub(crate) fn measure(&self) {
        self.pool.measure();
    }

    /// The clock that all transactions of this handle take their time from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Closes the pool, waiting for transactions under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether it takes no changes: a standby, or one that was made so.
///
/// # Errors
/// The database's.
pub(crate) async fn is_read_only(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let reads = "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool";
    sqlx::query_scalar(reads).fetch_one(conn).await
}
