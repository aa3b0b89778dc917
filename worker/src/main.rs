//! The `worker` command.

use std::process::ExitCode;

use shared::Clock;
use shared::telemetry::Telemetry;
use worker::config::Config;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => finish(start()),
        Some("--help" | "-h") => print(&help()),
        Some("--version" | "-V") => print(concat!("worker ", env!("CARGO_PKG_VERSION"))),
        Some(_) => finish(Err("worker takes no arguments; see worker --help".into())),
    }
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn start() -> Outcome {
    let config = Config::from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start("worker", worker::METRICS, &config.telemetry)?;
        worker::run(config, Clock::system(), &telemetry).await
    })
}

fn help() -> String {
    format!(
        "The delivery worker of Liaison: relays events and sends webhooks until SIGTERM, then drains.\n\n\
         Usage: worker\n\nEnvironment:\n{}",
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
