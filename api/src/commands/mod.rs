//! What `api` does besides serving. Results go to standard output, and only results.

pub(crate) mod admin;
mod confirm;
pub(crate) mod doctor;
mod front;
pub(crate) mod listen;
mod out;
mod progress;

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use shared::db::{DatabaseUrl, migrate as migration};
use shared::id::{TenantId, UserId};
use shared::settings::Settings;
use shared::{Clock, Db, supervisor};

use crate::auth::sessions::{self, Client, SignIn, Via};
use crate::config::Config;
use crate::error::{BoxError, Error};
use crate::http::openapi;
use front::origin;
use out::say;

pub(crate) type CommandResult<T = ()> = Result<T, BoxError>;

/// An end with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{1}")]
pub(crate) struct Ended(pub(crate) u8, pub(crate) &'static str);

/// Why the database of a variable is out of reach, in its own words.
fn unreachable(variable: &str, error: &sqlx::Error) -> String {
    let why = match error.as_database_error() {
        Some(refused) => refused.message().to_owned(),
        None => error.to_string(),
    };
    format!("{variable}: the database cannot be reached: {why}")
}

/// Brings the schema up to date.
pub(crate) async fn migrate() -> CommandResult {
    let mut settings = Settings::from_env();
    let url: Option<DatabaseUrl> = settings.required(
        "MIGRATION_DATABASE_URL",
        "a login that may act as crm_owner: postgres://…@host/database",
    );
    let url = settings.finish(url)?;
    migration::migrate(&url).await?;
    say(&format!("the schema is up to date: {} migrations", migration::MIGRATOR.iter().count()))
}

/// Asks the api that runs here whether it lives.
pub(crate) fn health() -> CommandResult {
    let mut settings = Settings::from_env();
    let admin = Config::admin_listen(&mut settings);
    let admin = settings.finish(admin)?;
    supervisor::lives(admin).map_err(|error| format!("{admin} (ADMIN_LISTEN): {error}").into())
}

/// Prints the OpenAPI document.
pub(crate) fn openapi() -> CommandResult {
    say(openapi::text().trim_end())
}

/// Prints fresh secrets in the form that the environment takes.
pub(crate) fn keys() -> CommandResult {
    let fresh = || STANDARD.encode(rand::random::<[u8; 32]>());
    say(&format!("JWT_KEYS=1:{}\nAPI_KEY_PEPPER={}\nSECRET_KEYS=1:{}", fresh(), fresh(), fresh()))
}

/// Prints an access token for a user, with the user's own role, in a session of its own.
pub(crate) async fn token(
    config: Config,
    tenant: TenantId,
    user: UserId,
    ttl: Duration,
) -> CommandResult {
    let db = Db::new(&config.db, Clock::system());
    let sign_in = SignIn {
        user,
        via: Via::Admin,
        device_name: Some("api admin token".into()),
        client: Client { user_agent: None, address: Ipv4Addr::LOCALHOST.into() },
    };
    let ttl = TimeDelta::from_std(ttl).map_err(|_| "--ttl is too long")?;
    let mut tx = db.tenant(tenant, origin()).await?;
    let token = sessions::open_for(&mut tx, &config.tokens, &sign_in, ttl).await;
    match tx.finish(token).await {
        Ok(token) => say(&token),
        Err(Error::NotFound(_)) => Err("no such active user in this tenant".into()),
        Err(error) => Err(error.chain().into()),
    }
}
