//! The embedded PostgreSQL or the given one.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use crate::servers::{Options, Postgres, Result};

/// The product's database.
pub struct Database {
    /// The embedded server; `None` when the database was given.
    pub server: Option<Postgres>,
    /// The login that may create roles and migrate.
    pub owner_url: Url,
}

impl Database {
    /// Takes the given database, or starts a PostgreSQL with an empty database `liaison`.
    ///
    /// # Errors
    /// When PostgreSQL does not start or the given database is out of reach.
    pub async fn open(given: Option<&Url>) -> Result<Self> {
        if let Some(url) = given {
            let session = PgConnection::connect(url.as_str()).await;
            session.map_err(|error| format!("DATABASE_URL: {error}"))?.close().await?;
            return Ok(Self { server: None, owner_url: url.clone() });
        }
        let server = Postgres::start(Options::DURABLE).await?;
        let mut session = PgConnection::connect(&server.admin_url()).await?;
        sqlx::raw_sql("CREATE DATABASE liaison").execute(&mut session).await?;
        session.close().await?;
        let owner_url = server.url("liaison", Postgres::SUPERUSER).parse()?;
        Ok(Self { server: Some(server), owner_url })
    }

    /// Gives the roles fresh random passwords and returns the address for each.
    ///
    /// # Errors
    /// When the owner may not change them.
    pub async fn log_in<const N: usize>(&self, roles: [&str; N]) -> Result<[Url; N]> {
        let mut session = PgConnection::connect(self.owner_url.as_str()).await?;
        let mut urls = [(); N].map(|()| self.owner_url.clone());
        for (role, url) in roles.into_iter().zip(&mut urls) {
            let password = format!("{:032x}", rand::random::<u128>());
            let sql = format!("ALTER ROLE {role} LOGIN PASSWORD '{password}'");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await?;
            url.set_username(role)
                .and_then(|()| url.set_password(Some(&password)))
                .map_err(|()| "DATABASE_URL needs a host: postgres://user:password@host/name")?;
        }
        session.close().await?;
        Ok(urls)
    }
}
