//! The database: [`TenantTx`] is the only door to a tenant's rows, [`SystemTx`] the only door across tenants.

pub mod check;
pub mod fault;
pub mod migrate;
mod tx;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgExecutor};

use crate::clock::Clock;
use crate::id::TenantId;
use crate::outbox::Bell;
use crate::settings::Value;
pub use tx::{Held, Origin, SystemTx, TenantTx};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database that takes longer to answer is not ready.
const READY: Duration = Duration::from_secs(2);

/// A connection idle for longer is pinged before it is used.
const IDLE: Duration = Duration::from_secs(1);

/// A handle on the pool; cheap to clone. The pool itself is private on purpose.
#[derive(Clone)]
pub struct Db {
    pool: PgPool,
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
        match tokio::time::timeout(PATIENCE, PgConnection::connect_with(&self.0)).await {
            Ok(connected) => connected,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
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
            .options(config.settings.iter().copied());
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(PATIENCE)
            // A ping before every use would cost a tenth of a request; one after a pause costs nothing, and finds the
            // connections that died with a restarted server.
            .test_before_acquire(false)
            .before_acquire(|conn, about| {
                Box::pin(async move {
                    if about.idle_for > IDLE {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Self { pool, bell: Bell::default(), clock }
    }

    /// Begins a transaction that sees and writes one tenant's rows only.
    ///
    /// # Errors
    /// The database cannot be reached, or has no free connection within five seconds.
    pub async fn tenant(&self, tenant: TenantId, origin: Origin) -> sqlx::Result<TenantTx> {
        TenantTx::begin(&self.pool, tenant, origin, self.clock.clone(), self.bell.clone()).await
    }

    /// Begins a transaction with no tenant: for the relay, the queue and the sweeps.
    ///
    /// # Errors
    /// As for [`Db::tenant`].
    pub async fn system(&self) -> sqlx::Result<SystemTx> {
        SystemTx::begin(&self.pool).await
    }

    /// For one statement outside any transaction: definer functions and health checks.
    /// Tenant tables raise here, because no tenant is set.
    #[must_use]
    pub fn direct(&self) -> impl PgExecutor<'_> {
        &self.pool
    }

    /// Carries the bell's rings to the workers until `stop`; see [`Bell`].
    pub async fn carry_bell(&self, stop: tokio_util::sync::CancellationToken) {
        self.bell.carry(&self.pool, stop).await;
    }

    /// Hears the bell in a worker process.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn listen(&self) -> sqlx::Result<sqlx::postgres::PgListener> {
        let mut listener = sqlx::postgres::PgListener::connect_with(&self.pool).await?;
        listener.listen(crate::outbox::CHANNEL).await?;
        Ok(listener)
    }

    /// Whether the database answers within two seconds: what `/readyz` asks.
    pub async fn answers(&self) -> bool {
        let probe = sqlx::query("select 1").execute(&self.pool);
        matches!(tokio::time::timeout(READY, probe).await, Ok(Ok(_)))
    }

    /// Connections open now, and those of them idle.
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
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
