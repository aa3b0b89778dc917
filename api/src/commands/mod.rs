//! What `api` does besides serving. Results go to standard output, and only results.

pub(crate) mod admin;
mod confirm;
pub(crate) mod doctor;
mod front;
pub(crate) mod listen;
mod out;
mod progress;

use shared::db::{DatabaseUrl, migrate as migration};
use shared::settings::Settings;
use shared::supervisor;

use crate::config::Config;
use crate::error::BoxError;
use crate::http::openapi;
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
    let url: Option<DatabaseUrl> = settings.required("MIGRATION_DATABASE_URL", admin::OWNER);
    let url = settings.finish(url)?;
    if !migration::migrate(&url).await? {
        out::warn(
            "somebody makes an index just now: run it again, for those that were interrupted",
        );
    }
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
