//! `with-product COMMAND ARGUMENTS…` runs a command beside the whole product; the exit code is the command's.
#![expect(clippy::print_stderr, reason = "a command line tool talks to its user")]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let command: Vec<String> = std::env::args().skip(1).collect();
    match tests::product::run(&command).await {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("with-product: {error}");
            ExitCode::FAILURE
        }
    }
}
