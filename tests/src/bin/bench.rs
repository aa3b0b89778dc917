//! `make bench`: the benchmark. It prints a table and writes `target/bench.json`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tests::bench::run().await
}
