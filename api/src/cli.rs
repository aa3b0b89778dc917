//! The command line: `api serve`, `api migrate`, `api admin …`, `api listen`, `api openapi`,
//! `api health`, `api doctor`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use shared::id::{ApiKeyId, TenantId, UserId};
use shared::settings::Value as _;

use crate::commands::limits::Wanted;
use crate::commands::listen::Options;
use crate::commands::user::NewUser;
use crate::commands::{self, CommandResult};
use crate::config::Config;
use crate::limit::Class;
use crate::serve;

/// The REST API of Liaison.
#[derive(Parser)]
#[command(name = "api", version, after_help = after_help())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default)
    Serve,
    /// Bring the database schema up to date, as the owner (`MIGRATION_DATABASE_URL`)
    Migrate,
    /// Work that no tenant may do
    #[command(subcommand)]
    Admin(Admin),
    /// Follow the tenant's events and send each to a program on this machine, signed as a webhook's would be
    Listen(Box<Options>),
    /// Print the OpenAPI document
    Openapi,
    /// Ask the api that runs here (`ADMIN_LISTEN`) whether it lives: for health checks of containers
    Health,
    /// Check everything that must hold before serving
    Doctor,
}

#[derive(Subcommand)]
enum Admin {
    /// Tenants
    #[command(subcommand)]
    Tenant(Tenant),
    /// Users of a tenant
    #[command(subcommand)]
    User(User),
    /// Print an access token for a user
    Token {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The user's id
        #[arg(long)]
        user: UserId,
        /// How long it is valid, such as 15m or 12h
        #[arg(long, default_value = "15m", value_parser = Duration::parse)]
        ttl: Duration,
    },
    /// Print fresh values for `JWT_KEYS`, `API_KEY_PEPPER` and `SECRET_KEYS`
    Keys,
}

#[derive(Subcommand)]
enum Tenant {
    /// Create a tenant with its owner and first API key, which is shown this once
    Create {
        /// The tenant's name
        #[arg(long)]
        name: String,
        /// The owner's e-mail address
        #[arg(long)]
        owner_email: String,
        /// Let demo login open it under this name, as a user of any role: never for a real tenant
        #[arg(long)]
        demo: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a tenant, or one of its keys, a rate limit of its own
    Limits {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The id of one of its API keys; all of the tenant without
        #[arg(long)]
        key: Option<ApiKeyId>,
        /// What is limited: login, qr, `qr_poll`, refresh, write or read
        #[arg(long, value_parser = Class::parse)]
        class: Class,
        /// Such as 1000/1m; off; or default, to be limited like the others again
        #[arg(long, value_parser = Wanted::parse)]
        limit: Wanted,
    },
}

#[derive(Subcommand)]
enum User {
    /// Create a user
    Create(NewUser),
}

fn after_help() -> String {
    format!("Environment:\n{}", Config::help())
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime could not be started: {error}")),
    };
    match runtime.block_on(dispatch(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

async fn dispatch(command: Command) -> CommandResult {
    match command {
        Command::Serve => serve::serve(Config::from_env()?).await,
        Command::Migrate => commands::migrate().await,
        Command::Listen(options) => commands::listen::listen(*options).await,
        Command::Openapi => commands::openapi(),
        Command::Health => commands::health(),
        Command::Doctor => commands::doctor(Config::from_env()?).await,
        Command::Admin(Admin::Keys) => commands::keys(),
        Command::Admin(Admin::Token { tenant, user, ttl }) => {
            commands::token(Config::from_env()?, tenant, user, ttl).await
        }
        Command::Admin(Admin::Tenant(Tenant::Create { name, owner_email, demo, json })) => {
            let config = Config::from_env()?;
            commands::tenant::create(config, &name, &owner_email, demo.as_deref(), json).await
        }
        Command::Admin(Admin::Tenant(Tenant::Limits { tenant, key, class, limit })) => {
            commands::limits::set(Config::from_env()?, tenant, key, class, limit).await
        }
        Command::Admin(Admin::User(User::Create(new))) => {
            commands::user::create(Config::from_env()?, new).await
        }
    }
}

#[expect(clippy::print_stderr, reason = "the end of a command is told on standard error")]
fn fail(error: &str) -> ExitCode {
    eprintln!("api: {error}");
    ExitCode::FAILURE
}
