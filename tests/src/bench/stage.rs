//! What every row stands on: a durable PostgreSQL with the schema, the programs' environments, and tenants.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

use super::cpu::Meter;
use super::program::Program;
use crate::dev::database::Database;
use crate::dev::product::Binaries;
use crate::dev::settings::Environment;
use crate::servers::{Postgres, Result, free_port};

/// What differs from the shipped configuration: receivers on this machine are allowed, and nothing is limited.
const DIFFERENCES: [(&str, &str); 9] = [
    ("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8"),
    ("WEBHOOK_ALLOW_HTTP", "true"),
    ("RATE_LIMIT_LOGIN", "off"),
    ("RATE_LIMIT_QR", "off"),
    ("RATE_LIMIT_QR_POLL", "off"),
    ("RATE_LIMIT_REFRESH", "off"),
    ("RATE_LIMIT_WRITE", "off"),
    ("RATE_LIMIT_READ", "off"),
    ("FLOOD_GUARD", "off"),
];

/// See the module. Dropping it stops the server.
pub struct Stage {
    /// Where the api listens once it [runs](Self::api).
    pub api_address: SocketAddr,
    /// The database as the api's login.
    pub app_url: Url,
    binaries: Binaries,
    database: Database,
    api: Environment,
    worker: Environment,
    api_operators: SocketAddr,
}

/// A tenant, of which all that is needed is a key that may do everything in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub api_key: String,
}

impl Stage {
    /// Starts PostgreSQL and brings the schema up to date.
    ///
    /// # Errors
    /// When one of them fails, or the product is not built.
    pub async fn set() -> Result<Self> {
        let binaries = Binaries::find()?;
        let database = Database::open(None).await?;
        let owner = [("MIGRATION_DATABASE_URL".into(), database.owner_url.to_string())];
        binaries.command(&["migrate"], &owner.into()).await?;
        let [app_url, worker_url] = database.log_in(["crm_app", "crm_worker"]).await?;
        let [api_address, api_operators] = [loopback()?, loopback()?];

        let mut common = binaries.keys().await?;
        common.extend(DIFFERENCES.map(|(name, value)| (name.into(), value.into())));
        let mut api = common.clone();
        api.insert("DATABASE_URL".into(), app_url.to_string());
        api.insert("API_LISTEN".into(), api_address.to_string());
        api.insert("ADMIN_LISTEN".into(), api_operators.to_string());
        let mut worker = common;
        worker.insert("DATABASE_URL".into(), worker_url.to_string());
        Ok(Self { api_address, app_url, binaries, database, api, worker, api_operators })
    }

    /// Starts the api.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn api(&self) -> Result<Program> {
        Program::start("api", &self.binaries.api, &self.api, self.api_operators).await
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn worker(&self) -> Result<Program> {
        let operators = loopback()?;
        let mut worker = self.worker.clone();
        worker.insert("ADMIN_LISTEN".into(), operators.to_string());
        Program::start("worker", &self.binaries.worker, &worker, operators).await
    }

    /// The server.
    ///
    /// # Errors
    /// None: the benchmark always starts one.
    pub fn postgres(&self) -> Result<&Postgres> {
        self.database.server.as_ref().ok_or_else(|| "the benchmark has a server of its own".into())
    }

    /// Reads the CPU time of the server and of these programs.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn meter(&self, programs: &[&Program]) -> Result<Meter> {
        let postgres = self.postgres()?.pid().ok_or("PostgreSQL has ended")?;
        let ours = programs.iter().map(|program| program.pid()).collect::<Result<_>>()?;
        Ok(Meter { postgres, ours })
    }

    /// A session as the superuser.
    ///
    /// # Errors
    /// The database's.
    pub async fn superuser(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(self.database.owner_url.as_str()).await?)
    }

    /// The server's own part of every API key's hash, as the environment writes it.
    pub fn pepper(&self) -> &str {
        self.api.get("API_KEY_PEPPER").map_or("", String::as_str)
    }

    /// Creates a tenant through the api's own command.
    ///
    /// # Errors
    /// When the command fails or prints something else.
    pub async fn tenant(&self, name: &str) -> Result<Tenant> {
        let email = "owner@bench.example";
        let create =
            ["admin", "tenant", "create", "--name", name, "--owner-email", email, "--json"];
        Ok(serde_json::from_str(&self.binaries.command(&create, &self.api).await?)?)
    }
}

fn loopback() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

/// Runs statements one by one: some, such as `vacuum`, refuse to share a message.
///
/// # Errors
/// The database's, with the statement.
pub async fn execute<'a>(
    session: &mut PgConnection,
    statements: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    for sql in statements {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await;
        done.map_err(|error| format!("{sql}: {error}"))?;
    }
    Ok(())
}
