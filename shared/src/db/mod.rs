//! The database: [`TenantTx`] is the only door to a tenant's rows, [`SystemTx`] the only door across tenants.

pub mod check;
pub mod fault;
pub mod migrate;
mod tx;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::PgExecutor;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::clock::Clock;
use crate::id::TenantId;
use crate::outbox::Bell;
use crate::secret::Secret;
pub use tx::{Origin, SystemTx, TenantTx};

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
    /// `postgres://user:password@host:port/database`.
    pub url: Secret<String>,
    /// Most connections in the pool.
    pub connections: u32,
    /// Shown in `pg_stat_activity`.
    pub application: &'static str,
}

impl Db {
    /// Prepares a pool; the first connection is made when it is needed.
    ///
    /// # Errors
    /// A URL that does not parse.
    pub fn connect(config: &DbConfig, clock: Clock) -> sqlx::Result<Self> {
        let options =
            PgConnectOptions::from_str(config.url.expose())?.application_name(config.application);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(Duration::from_secs(5))
            // A ping before every use costs a tenth of a request; a dead connection is noticed by BEGIN instead.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { pool, bell: Bell::default(), clock })
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
