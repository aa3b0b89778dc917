//! The `worker` command.

use std::process::ExitCode;

use shared::settings::Settings;
use shared::telemetry::Telemetry;
use shared::{Clock, supervisor};
use worker::config::Config;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => finish(start()),
        Some("health") => finish(health()),
        Some("--help" | "-h") => print(&help()),
        Some("--version" | "-V") => print(concat!("worker ", env!("CARGO_PKG_VERSION"))),
        Some(_) => finish(Err("worker takes no arguments but health; see worker --help".into())),
    }
}

/// Threads that look up names, at most. A look-up that is given up goes on until the system gives up, half a minute
/// where no name server answers, and nobody else's is to wait for it: eight times 256 begin within that time at most.
const LOOKUPS: usize = 2048;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn start() -> Outcome {
    let config = Config::from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(LOOKUPS)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let telemetry = Telemetry::start("worker", worker::METRICS, &config.telemetry)?;
        worker::run(config, Clock::system(), &telemetry).await
    });
    // Look-ups that were given up are not waited for.
    runtime.shutdown_background();
    ended
}

/// Asks the worker that runs here whether it lives.
fn health() -> Outcome {
    let mut settings = Settings::from_env();
    let admin = Config::admin_listen(&mut settings);
    let admin = settings.finish(admin)?;
    supervisor::lives(admin).map_err(|error| format!("{admin} (ADMIN_LISTEN): {error}").into())
}

fn help() -> String {
    format!(
        "The delivery worker of Liaison: relays events and sends webhooks until SIGTERM, then drains.\n\n\
         Usage: worker           runs until SIGTERM\n       \
         worker health    asks the worker that runs here (ADMIN_LISTEN) whether it lives\n\nEnvironment:\n{}",
        Config::help().trim_end()
    )
}

#[expect(clippy::print_stdout, reason = "the result of --help and --version")]
fn print(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "the end of a command is told on standard error")]
fn finish(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}
