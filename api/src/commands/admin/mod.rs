//! `api admin`: the chores of an operator. What a tenant could do by itself goes through the routes ([`super::front`]);
//! what spans tenants goes through the owner of the schema ([`owner`]).

mod api_keys;
mod create;
mod erase;
mod export;
mod keys;
mod limits;
mod log;
mod replays;
mod reseal;
mod retention;
mod tenants;
mod token;
mod users;
mod webhooks;

use clap::Subcommand;
use shared::db::{DatabaseUrl, DbConfig};
use shared::settings::Settings;
use shared::{Clock, Db};

use super::CommandResult;

/// What the variable of the owner's login is for.
pub(crate) const OWNER: &str = "For `api migrate` and work on whole tenants: a login that may act as crm_owner, \
    such as postgres://crm_migrator:…@host/database";

/// The chores.
#[derive(Subcommand)]
pub(crate) enum Admin {
    /// Tenants: create, list, show, limit, export, erase
    #[command(subcommand)]
    Tenant(tenants::Tenant),
    /// Users of a tenant
    #[command(subcommand)]
    User(users::User),
    /// API keys of a tenant
    #[command(subcommand)]
    ApiKey(api_keys::ApiKey),
    /// Webhooks of a tenant
    #[command(subcommand)]
    Webhook(webhooks::Webhook),
    /// Replays: deliveries of a webhook that are sent again
    #[command(subcommand)]
    Replay(replays::Replay),
    /// How long events, deliveries and attempts are kept
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Seal every stored secret under the first key of `SECRET_KEYS`
    Reseal(reseal::Reseal),
    /// What operators have done to whole tenants
    Log(log::Log),
    /// Print an access token for a user
    Token(token::Token),
    /// Print fresh values for `JWT_KEYS`, `API_KEY_PEPPER` and `SECRET_KEYS`
    #[command(after_help = "Example:\n  api admin keys >> secrets.env\n\n\
        To rotate JWT_KEYS or SECRET_KEYS give the fresh key another id, append it everywhere, then put it first:\n\
        docs/administration.md has the steps. API_KEY_PEPPER cannot be rotated.")]
    Keys,
}

/// Does the chore.
pub(crate) async fn run(admin: Admin) -> CommandResult {
    match admin {
        Admin::Tenant(command) => tenants::run(command).await,
        Admin::User(command) => users::run(command).await,
        Admin::ApiKey(command) => api_keys::run(command).await,
        Admin::Webhook(command) => webhooks::run(command).await,
        Admin::Replay(command) => replays::run(command).await,
        Admin::Retention(command) => retention::run(command).await,
        Admin::Reseal(command) => reseal::run(command).await,
        Admin::Log(command) => log::run(command).await,
        Admin::Token(command) => token::run(command).await,
        Admin::Keys => keys::print(),
    }
}

/// The database as its owner, who sees one tenant at a time.
async fn owner() -> CommandResult<Db> {
    let mut settings = Settings::from_env();
    let url: Option<DatabaseUrl> = settings.required("MIGRATION_DATABASE_URL", OWNER);
    owner_at(settings.finish(url)?).await
}

async fn owner_at(url: DatabaseUrl) -> CommandResult<Db> {
    // A pool would only say that it waited.
    url.connect().await.map_err(|error| super::unreachable("MIGRATION_DATABASE_URL", &error))?;
    Ok(Db::new(&DbConfig::owner(url), Clock::system()))
}
