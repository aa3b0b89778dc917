//! The command line: `api serve`, `api migrate`, `api admin …`, `api listen`, `api openapi`,
//! `api health`, `api doctor`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::admin::Admin;
use crate::commands::doctor::Doctor;
use crate::commands::listen::Options;
use crate::commands::{self, CommandResult, Ended};
use crate::config::Config;
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
    Admin(Box<Admin>),
    /// Follow the tenant's events and send each to a program on this machine, signed as a webhook's would be
    Listen(Box<Options>),
    /// Print the OpenAPI document
    Openapi,
    /// Ask the api that runs here (`ADMIN_LISTEN`) whether it lives: for health checks of containers
    Health,
    /// Look at everything that must hold, and at what an operator should know
    Doctor(Doctor),
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
        Err(error) => {
            tell(&format!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(dispatch(command));
    // Look-ups of names that were given up are not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.downcast_ref().map_or(1, |Ended(code, _)| *code);
            tell(&error.to_string());
            ExitCode::from(code)
        }
    }
}

async fn dispatch(command: Command) -> CommandResult {
    match command {
        Command::Serve => serve::serve(Config::from_env()?).await,
        Command::Migrate => commands::migrate().await,
        Command::Listen(options) => commands::listen::listen(*options).await,
        Command::Openapi => commands::openapi(),
        Command::Health => commands::health(),
        Command::Doctor(doctor) => commands::doctor::run(doctor).await,
        Command::Admin(admin) => commands::admin::run(*admin).await,
    }
}

#[expect(clippy::print_stderr, reason = "the end of a command is told on standard error")]
fn tell(error: &str) {
    eprintln!("api: {error}");
}
