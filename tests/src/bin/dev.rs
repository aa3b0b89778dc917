//! `make dev`: the whole product on this machine until Ctrl-C.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tests::dev::run().await
}
